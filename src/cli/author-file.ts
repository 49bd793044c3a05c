import { existsSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import type { Message } from 'esbuild'
import { type Code, messageOf, TidemarkError } from '../kernel/errors.ts'
import { importTopology } from './topology-bundle.ts'

/**
 * Imports a file of an author's: TypeScript or JavaScript, as an ES module or CommonJS.
 *
 * @throws TidemarkError `TOPOLOGY_LOAD`, or the code with which the author's builder calls were
 * refused
 */
export async function importAuthorFile(file: string): Promise<unknown> {
  const path = resolve(file)
  if (!existsSync(path)) {
    throw new TidemarkError('TOPOLOGY_LOAD', 'there is no such file', { where: file })
  }
  try {
    return await importTopology(path)
  } catch (thrown) {
    throw asFault(thrown, file)
  }
}

/** What an author's file threw, as one of our errors. */
function asFault(thrown: unknown, file: string): TidemarkError {
  // By name: a CommonJS author has another copy of this package.
  if (thrown instanceof Error && thrown.name === 'TidemarkError' && 'code' in thrown) {
    const { message, hint, where = file } = thrown as TidemarkError
    const details = hint === undefined ? { where } : { where, hint }
    return new TidemarkError(thrown.code as Code, message, details)
  }
  return new TidemarkError('TOPOLOGY_LOAD', reasonOf(thrown), {
    where: whereOf(thrown, file),
    cause: thrown,
    ...hintFor(thrown),
  })
}

function reasonOf(thrown: unknown): string {
  return unreadable(thrown)?.text ?? messageOf(thrown)
}

function whereOf(thrown: unknown, file: string): string {
  const { location } = unreadable(thrown) ?? {}
  if (location) return `${shortest(resolve(location.file))}:${location.line}:${location.column + 1}`
  const stack = thrown instanceof Error ? (thrown.stack ?? '') : ''
  const at = linesOf(resolve(file)).exec(stack)
  return at === null ? file : `${file}:${at[1]}`
}

/** The first error of a file that could not be read. */
function unreadable(thrown: unknown): Message | null {
  const isOne = thrown instanceof Error && 'errors' in thrown && Array.isArray(thrown.errors)
  return isOne ? ((thrown.errors as Message[])[0] ?? null) : null
}

function shortest(path: string): string {
  const fromHere = relative(process.cwd(), path)
  return fromHere.startsWith('..') ? path : fromHere
}

function linesOf(path: string): RegExp {
  return new RegExp(`${path.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}:(\\d+)`)
}

function hintFor(thrown: unknown): { hint?: string } {
  const missing = /Could not resolve "([^"./][^"]*)"/.exec(reasonOf(thrown))?.[1]
  return missing === undefined
    ? {}
    : { hint: `npm install ${missing}, in the folder of the topology` }
}
