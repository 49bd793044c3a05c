import { existsSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import type { Message } from 'esbuild'
import { type Code, messageOf, TidemarkError } from '../kernel/errors.ts'
import { type Definition, isDefinition } from '../topology/definition.ts'
import { endReading, importTopology } from './topology-bundle.ts'

/** The result of loading topology files. */
export interface TopologyFiles {
  readonly definitions: readonly Definition[]
  /**
   * Why the other files cannot be used: `TOPOLOGY_LOAD`, or the code with which the author's
   * builder calls were refused.
   */
  readonly faults: readonly TidemarkError[]
}

/** Loads each file's default export: TypeScript or JavaScript, as an ES module or CommonJS. */
export async function loadTopologies(files: readonly string[]): Promise<TopologyFiles> {
  const definitions: Definition[] = []
  const faults: TidemarkError[] = []
  for (const file of files) {
    try {
      definitions.push(await load(file))
    } catch (thrown) {
      faults.push(asFault(thrown, file))
    }
  }
  await endReading()
  return { definitions, faults }
}

/** Loads the topology of one file. @throws TidemarkError see {@link TopologyFiles.faults} */
export async function loadTopology(file: string): Promise<Definition> {
  const { definitions, faults } = await loadTopologies([file])
  const [definition] = definitions
  if (definition === undefined) throw faults[0] ?? notATopology(file, undefined)
  return definition
}

async function load(file: string): Promise<Definition> {
  const path = resolve(file)
  if (!existsSync(path)) {
    throw new TidemarkError('TOPOLOGY_LOAD', 'there is no such file', { where: file })
  }
  const loaded = (await importTopology(path)) as { default?: unknown }
  const exported = defaultOf(defaultOf(loaded))
  if (!isDefinition(exported)) throw notATopology(file, exported)
  return exported
}

/**
 * The default export; for CommonJS, the exports object is the default and contains the author's.
 */
function defaultOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || isDefinition(value)) return value
  return 'default' in value ? value.default : undefined
}

function notATopology(file: string, exported: unknown): TidemarkError {
  const what =
    exported === undefined
      ? 'has no default export'
      : `exports ${exported === null ? 'null' : `a value of type ${typeof exported}`} by default, not a topology`
  const hint = "write: export default defineTopology('name', (t) => …)"
  return new TidemarkError('TOPOLOGY_LOAD', what, { where: file, hint })
}

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
