import { createHash } from 'node:crypto'
import type { RuleDefinition } from '../topology/definition.ts'
import { formOf } from '../topology/function-form.ts'
import { NO_ROWS, type Scorer } from './scorer.ts'

/** The largest batch of a rule: it runs on the calling thread. */
const ROWS = 2_048

/**
 * The scorer of a model that is a function of the author's. A row on which it throws, or for which
 * an output is not a number, has failed.
 *
 * @param name as the score step names it
 * @param features the names of the columns of its rows
 */
export function ruleScorer(
  name: string,
  { version, outputs, of }: RuleDefinition,
  features: readonly string[],
): Scorer {
  return {
    name,
    label: `${name}@${version}`,
    sha256: createHash('sha256').update(formOf(of)).digest('hex'),
    evaluator: { by: 'function' },
    size: { bytes: 0, threads: 0 },
    maxBatch: ROWS,
    state: 'open',
    answerMs: () => 0,
    passOver: () => {},
    async score(rows, count) {
      const columns = outputs.map(() => new Float64Array(count).fill(Number.NaN))
      const failed = new Set<number>()
      const startMs = performance.now()
      for (let row = 0; row < count; row++) {
        const at = row * features.length
        const taken = Object.fromEntries(features.map((f, i) => [f, rows[at + i] as number]))
        const answer = answerOf(of, taken)
        for (const [i, output] of outputs.entries()) {
          const number = answer?.[output]
          if (typeof number !== 'number') failed.add(row)
          else (columns[i] as Float64Array)[row] = number
        }
      }
      return { columns, failed, lost: NO_ROWS, runMs: performance.now() - startMs }
    },
    close: async () => {},
  }
}

function answerOf(of: RuleDefinition['of'], features: Readonly<Record<string, number>>) {
  try {
    return of(features)
  } catch {
    return null
  }
}
