import type { StepScoring } from '../../engine/operators/rule.ts'
import { Retrier } from '../../kernel/retrier.ts'
import type { TopicPartition } from '../../records/port.ts'
import { versionOf } from '../../scoring/scorer.ts'
import type { StepAnswer } from '../../scoring/step-answer.ts'
import type { Decision } from '../../scoring/step-models.ts'
import type { StepScorer } from '../../scoring/step-scorer.ts'
import type { ScoreStep } from '../../topology/definition.ts'
import type { PreparedTopology } from '../prepared.ts'
import type { TaskContext } from './task-context.ts'

const WAITS = { firstMs: 1_000, lastMs: 30_000 }

/**
 * Scores the events of one partition with the models of one topology. A model that can score
 * none of them is retried until it succeeds: the partition waits meanwhile, and none of its events
 * are set aside.
 */
export class ModelRetrier {
  readonly #topology: PreparedTopology
  readonly #partition: TopicPartition
  readonly #context: TaskContext
  readonly #retrier: Retrier

  constructor(topology: PreparedTopology, partition: TopicPartition, context: TaskContext) {
    this.#topology = topology
    this.#partition = partition
    this.#context = context
    this.#retrier = new Retrier(context)
  }

  /** The models of a step. Their answer is `null` when the partition was lost meanwhile. */
  of(step: ScoreStep): StepScoring {
    const scorer = this.#topology.scorers.get(step.name) as StepScorer
    const { decisions } = scorer
    const models = decisions.map(({ scorer: by }) => ({ model: by.name, version: versionOf(by) }))
    const topology = this.#topology.definition.name
    const about = { topology, partition: this.#partition, step: step.name }
    const { observer } = this.#context
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
    return {
      by: decisions.map(({ route, scorer: by }) => ({ route, label: by.label })),
      score: (batch) =>
        this.#retrier.until({
          attempt: async () => {
            const answer = await scorer.score(batch)
            if (batch.count > 0) tell(answer)
            return answer
          },
          waits: WAITS,
          isTemporary: ({ code }) => code === 'MODEL_FAILING',
          tell: (reason) => observer({ type: 'model-failing', ...about, reason }),
        }),
    }
  }

  get isHeldUp(): boolean {
    return this.#retrier.isHeldUp
  }

  /** The partition is lost. */
  stop(): void {
    this.#retrier.stop()
  }
}
