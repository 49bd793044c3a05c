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
