import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../src/kernel/errors.ts'
import { ROOT } from '../support/paths.ts'

// A mistake, as edits of the sources that are made while a test runs, and only then.

export interface Mutant {
  readonly name: string
  readonly edits: readonly Edit[]
  /** Which test catches it: a file, and a part of the test's name. */
  readonly caughtBy: { readonly file: string; readonly test: string }
}

export interface Edit {
  /** Below `src/`. */
  readonly file: string
  /** Occurs once. */
  readonly from: string
  readonly to: string
}

/** A mistake that is one edit. */
export type Row = readonly [
  name: string,
  edit: readonly [file: string, from: string, to: string],
  caughtBy: readonly [file: string, test: string],
]

export function mutantOf([name, [file, from, to], by]: Row): Mutant {
  return { name, edits: [{ file, from, to }], caughtBy: { file: by[0], test: by[1] } }
}

/**
 * The source with the mistake in it. @throws Error when an edit fits nowhere, or in more than one
 * place
 */
export function mutated(source: string, edits: readonly Edit[]): string {
  return edits.reduce((text, { file, from, to }) => {
    const parts = text.split(from)
    if (parts.length !== 2) throw new Error(`${file}: "${from}" is there ${parts.length - 1} times`)
    return parts.join(to)
  }, source)
}

/** Tests that several files run. */
const CONTRACTS = ['rebalancing', 'guarantee', 'starting'].map(
  (name) => `test/connect/${name}-contract.ts`,
)

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

/** Why a mutant cannot be run: an edit that does not fit the sources, or a test that is not there. */
export function faultsOf({ name, edits, caughtBy }: Mutant): string[] {
  const faults: string[] = []
  const check = (whether: () => void) => {
    try {
      whether()
    } catch (error) {
      faults.push(`${name}: ${messageOf(error)}`)
    }
  }
  for (const file of new Set(edits.map((edit) => edit.file))) {
    check(() => {
      const source = read(join('src', file))
      const changed = mutated(
        source,
        edits.filter((edit) => edit.file === file),
      )
      if (changed === source) throw new Error(`${file} stays the same`)
    })
  }
  check(() => {
    const { file, test } = caughtBy
    const isThere = [file, ...CONTRACTS].some((one) => read(one).includes(test))
    if (!isThere) throw new Error(`no test of ${file} is named "${test}"`)
  })
  return faults
}
