import type { BoundScalar } from './bound.ts'
import type { Trace } from './trace.ts'

// The layout of a record: everything in it except the values. Most records of one producer have the
// same layout.

/** A larger layout makes a function that V8 does not optimise. */
const MAX_SCALARS = 96
const MAX_LITERAL_BYTES = 4_096

/** The layout of records. */
export interface RecordLayout {
  /**
   * The bytes before each scalar, and after the last; the quotes of a bare text are part of them.
   */
  readonly literals: readonly Uint8Array[]
  readonly scalars: readonly BoundScalar[]
}

/** A range of bytes: from ≤ i < to. */
export interface ByteRange {
  readonly from: number
  readonly to: number
}

/** The layout of a record. @returns `null`: it is too large for a compiled function to pay off */
export function recordLayoutOf(
  bytes: Uint8Array,
  { from, to }: ByteRange,
  trace: Trace,
): RecordLayout | null {
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

/** Is the scalar always a text? */
export function isBareText({ rule: { text, number, booleans, isNullable } }: BoundScalar): boolean {
  return text !== null && number === null && booleans.length === 0 && !isNullable
}
