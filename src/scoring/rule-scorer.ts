import { createHash } from 'node:crypto'
import { TidemarkError } from '../kernel/errors.ts'
import { formOf } from '../topology/function-form.ts'
import type { RuleDefinition } from '../topology/models.ts'
import { nameOf } from '../topology/schema.ts'
import { NO_ROWS, type Scorer } from './scorer.ts'

const ROWS = 2_048

/** A row fails if the function throws, or an output is not a number. @param features of its rows */
export function ruleScorer(
  name: string,
  { version, outputs, of: compute }: RuleDefinition,
  features: readonly string[],
): Scorer {
  const label = `${name}@${version}`
  return {
    name,
    label,
    sha256: createHash('sha256').update(formOf(compute)).digest('hex'),
    evaluator: { by: 'function' },
    size: { bytes: 0, threads: 0 },
    maxBatch: ROWS,
    state: 'open',
    answerMs: () => 0,
    passOver: () => {},
    async score(rows, count) {
      const columns = outputs.map(() => new Float64Array(count).fill(Number.NaN))
      const errors = new Map<number, TidemarkError>()
      const startMs = performance.now()
      for (let row = 0; row < count; row++) {
        const at = row * features.length
        const taken = Object.fromEntries(features.map((f, i) => [f, rows[at + i] as number]))
        try {
          const answer = compute(taken)
          for (const [i, output] of outputs.entries()) {
            const column = columns[i] as Float64Array
            column[row] = numberOf(answer[output], output)
          }
        } catch (cause) {
          // The thrown text is left out, because it may contain features.
          const message = `rule ${label} threw ${nameOf(cause)}`
          errors.set(row, new TidemarkError('SCORE_FAILED', message, { cause }))
        }
      }
      const failed = new Set(errors.keys())
      return { columns, failed, errors, lost: NO_ROWS, runMs: performance.now() - startMs }
    },
    close: async () => {},
  }
}

function numberOf(value: unknown, output: string): number {
  if (typeof value === 'number') return value
  throw new TypeError(`it gave no number "${output}"`)
}
