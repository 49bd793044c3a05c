import type { BoundScalar } from './bound.ts'
import type { Trace } from './trace.ts'

// The layout of a record: everything in it but the values. The records of one producer mostly share
// one.

/** More makes a function that the engine does not optimise. */
const MAX_SCALARS = 96
const MAX_LITERAL_BYTES = 4_096

export interface Layout {
  /** What stands before each scalar, and behind the last; a bare text's quotes belong to it. */
  readonly literals: readonly Uint8Array[]
  readonly scalars: readonly BoundScalar[]
}

/** Where a record lies in the bytes. */
export interface Span {
  readonly from: number
  readonly to: number
}

/** @returns `null`: too large to be worth a function */
export function layoutOf(bytes: Uint8Array, { from, to }: Span, trace: Trace): Layout | null {
  const { scalars, starts, ends } = trace
  const literals: Uint8Array[] = []
  let at = from
  for (const [i, scalar] of scalars.entries()) {
    const quote = isBareText(scalar) ? 1 : 0
    literals.push(bytes.slice(at, (starts[i] as number) + quote))
    at = (ends[i] as number) - quote
  }
  literals.push(bytes.slice(at, to))
  const size = literals.reduce((sum, { length }) => sum + length, 0)
  return scalars.length > MAX_SCALARS || size > MAX_LITERAL_BYTES ? null : { literals, scalars }
}

/** Is it always a text? */
export function isBareText({ rule: { text, number, booleans, isNullable } }: BoundScalar): boolean {
  return text !== null && number === null && booleans.length === 0 && !isNullable
}
