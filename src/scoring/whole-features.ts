import { TidemarkError } from '../kernel/errors.ts'
import type { ModelDefinition } from '../topology/models.ts'
import type { Signature } from './runner.ts'
import { type Answer, NO_ROWS, type Scorer } from './scorer.ts'

// Features are float32. A model that takes some as integers or booleans gets only rows of which it
// can take every number: others have no score.

/** Beyond it a float32 may have been rounded to a whole number. */
const MOST = 2 ** 24

const KINDS = {
  integer: {
    fits: (number: number) => Number.isInteger(number) && Math.abs(number) <= MOST,
    wanted: 'a whole number from −2^24 to 2^24',
  },
  boolean: {
    fits: (number: number) => number === 0 || number === 1,
    wanted: '0 or 1',
  },
} as const

interface WholeFeature {
  readonly name: string
  /** In a row. */
  readonly column: number
  readonly kind: keyof typeof KINDS
}

export function wholeFeaturesOf(
  { input, features }: Pick<ModelDefinition, 'input' | 'features'>,
  { inputs }: Signature,
): WholeFeature[] {
  return inputs.flatMap(({ name: tensor, type }) => {
    const kind = type === 'bool' ? 'boolean' : 'integer'
    const isWhole = type === 'bool' || type === 'int32' || type === 'int64'
    const names = typeof input === 'string' ? features : (input[tensor] ?? [])
    return isWhole ? names.map((name) => ({ name, column: features.indexOf(name), kind })) : []
  })
}

/** Scores rows whose numbers the model can take; the others are among the failed ones. */
export function scoreFitting(
  score: Scorer['score'],
  features: readonly WholeFeature[],
): Scorer['score'] {
  if (features.length === 0) return score
  return async (rows, count, yields) => {
    const errors = new Map<number, TidemarkError>()
    const width = rows.length / count
    for (let row = 0; row < count; row++) {
      const error = faultIn(rows, row * width, features)
      if (error !== null) errors.set(row, error)
    }
    if (errors.size === 0) return score(rows, count, yields)
    const fitting = Array.from({ length: count }, (_, row) => row).filter((row) => !errors.has(row))
    const some = new Float32Array(fitting.length * width)
    for (const [i, row] of fitting.entries()) {
      some.set(rows.subarray(row * width, (row + 1) * width), i * width)
    }
    return spread(await score(some, fitting.length, yields), { fitting, count, errors })
  }
}

function faultIn(rows: Float32Array, from: number, features: readonly WholeFeature[]) {
  for (const { name, column, kind } of features) {
    const number = rows[from + column] as number
    if (KINDS[kind].fits(number)) continue
    const value = Number.isNaN(number) ? 'missing' : String(number)
    const message = `feature "${name}" is ${value}, the model takes ${KINDS[kind].wanted}`
    return new TidemarkError('SCORE_FAILED', message)
  }
  return null
}

interface Spreading {
  /** The number of each row that was scored. */
  readonly fitting: readonly number[]
  readonly count: number
  readonly errors: ReadonlyMap<number, TidemarkError>
}

function spread(answer: Answer, { fitting, count, errors }: Spreading): Answer {
  const rowsOf = (rows: ReadonlySet<number>) =>
    rows.size === 0 ? NO_ROWS : new Set([...rows].map((row) => fitting[row] as number))
  const columns = answer.columns.map((column) => {
    const all = new Float64Array(count).fill(Number.NaN)
    for (const [i, row] of fitting.entries()) all[row] = column[i] as number
    return all
  })
  const failed = new Set([...rowsOf(answer.failed), ...errors.keys()])
  return { columns, failed, lost: rowsOf(answer.lost), errors, runMs: answer.runMs }
}
