import type { StepScoring } from '../../engine/operators/rule.ts'
import type { Retrier } from '../../kernel/retrier.ts'
import { versionOf } from '../../scoring/scorer.ts'
import type { StepAnswer } from '../../scoring/step-answer.ts'
import type { Decision } from '../../scoring/step-models.ts'
import type { StepScorer } from '../../scoring/step-scorer.ts'
import type { ScoreStep } from '../../topology/definition.ts'
import { REUSE } from '../../topology/reuse.ts'
import type { WorkerContext } from '../context.ts'
import type { TaskLabels } from '../events.ts'
import type { PreparedTopology } from '../prepared.ts'

const WAITS = { firstMs: 1_000, lastMs: 30_000 }

/** Retries for a task. */
export interface Retrying extends Pick<WorkerContext, 'clock' | 'observer'> {
  readonly retrier: Retrier
  readonly labels: TaskLabels
}

/**
 * Scores the events of one partition with the models of a step. A model that can score none of them
 * is retried until it succeeds: the partition waits meanwhile, and none of its events are set aside.
 */
export function stepScoring(
  step: ScoreStep,
  { scorers }: PreparedTopology,
  { retrier, labels, observer }: Retrying,
): StepScoring {
  const { topology } = labels
  const scorer = scorers.get(step.name) as StepScorer
  const { decisions } = scorer
  const models = decisions.map(({ scorer: by }) => ({ model: by.name, version: versionOf(by) }))
  const tell = ({ runs, columns, attempts: all, decided }: StepAnswer) => {
    for (const { scorer: by, rows, runMs: durationMs } of runs) {
      if (rows === 0) continue
      const [model, version] = [by.name, versionOf(by)]
      observer({ type: 'inference', topology, model, version, rows, durationMs })
    }
    const attempts = all.map(({ decision, outcome, rows }) => {
      const { route } = decisions[decision] as Decision
      return { ...(models[decision] as (typeof models)[number]), route, outcome, rows }
    })
    const scores = columns[0] as Float64Array
    observer({ type: 'scored', topology, attempts, scores, decided, models })
  }
  const ofRows = [{ model: step.reuse?.table ?? '', version: '' }] as const
  return {
    reused(scores) {
      const attempts = [
        { ...ofRows[0], route: REUSE, outcome: 'scored', rows: scores.length },
      ] as const
      const decided = new Uint8Array(scores.length)
      observer({ type: 'scored', topology, attempts, scores, decided, models: ofRows })
    },
    by: decisions.map(({ route, scorer: by }) => ({ route, label: by.label })),
    score: (batch) =>
      retrier.until({
        attempt: async () => {
          const answer = await scorer.score(batch)
          if (batch.count > 0) tell(answer)
          return answer
        },
        waits: WAITS,
        tell: (reason) =>
          observer({ type: 'trouble', kind: 'model', ...labels, step: step.name, reason }),
      }),
  }
}
