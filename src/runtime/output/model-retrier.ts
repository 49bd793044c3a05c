import type { StepScoring } from '../../engine/operators/rule.ts'
import { Retrier } from '../../kernel/retrier.ts'
import type { TopicPartition } from '../../records/port.ts'
import { versionOf } from '../../scoring/scorer.ts'
import type { StepAnswer, StepBatch } from '../../scoring/step-answer.ts'
import type { Decision } from '../../scoring/step-models.ts'
import type { StepScorer } from '../../scoring/step-scorer.ts'
import type { ScoreStep } from '../../topology/definition.ts'
import type { PreparedTopology } from '../prepared.ts'
import type { TaskContext } from './task-context.ts'

const WAITS = { firstMs: 1_000, lastMs: 30_000 }

interface ModelLabels {
  readonly model: string
  readonly version: string
}

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
  /** The labels of what scored rows, by number of the decision. */
  readonly #labels = new WeakMap<readonly Decision[], readonly ModelLabels[]>()

  constructor(topology: PreparedTopology, partition: TopicPartition, context: TaskContext) {
    this.#topology = topology
    this.#partition = partition
    this.#context = context
    this.#retrier = new Retrier(context)
  }

  /** The models of a step. Their answer is `null` when the partition was lost meanwhile. */
  of(step: ScoreStep): StepScoring {
    const { decisions } = this.#topology.scorers.get(step.name) as StepScorer
    return {
      by: decisions.map(({ route, scorer }) => ({ route, label: scorer.label })),
      score: (batch) =>
        this.#retrier.until(() => this.#ask(step, batch), {
          waits: WAITS,
          isTemporary: ({ code }) => code === 'MODEL_FAILING',
          tell: (reason) => this.#tell(step, reason),
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

  async #ask(step: ScoreStep, batch: StepBatch): Promise<StepAnswer> {
    const { observer } = this.#context
    const scorer = this.#topology.scorers.get(step.name) as StepScorer
    const answer = await scorer.score(batch)
    const topology = this.#topology.definition.name
    for (const { scorer: by, rows, runMs: durationMs } of answer.runs) {
      if (rows === 0) continue
      const [model, version] = [by.name, versionOf(by)]
      observer({ type: 'inference', topology, model, version, rows, durationMs })
    }
    if (batch.count > 0) observer({ type: 'scored', topology, ...this.#scored(scorer, answer) })
    return answer
  }

  #scored({ decisions }: StepScorer, { columns, decided, attempts }: StepAnswer) {
    const models = this.#labels.get(decisions) ?? labelsOf(decisions)
    this.#labels.set(decisions, models)
    const named = attempts.map(({ decision, outcome, rows }) => {
      const { route } = decisions[decision] as Decision
      return { ...(models[decision] as ModelLabels), route, outcome, rows }
    })
    return { attempts: named, scores: columns[0] as Float64Array, decided, models }
  }

  #tell(step: ScoreStep, reason: string | null): void {
    const topology = this.#topology.definition.name
    const about = { topology, partition: this.#partition, step: step.name }
    this.#context.observer({ type: 'model-failing', ...about, reason })
  }
}

function labelsOf(decisions: readonly Decision[]): readonly ModelLabels[] {
  return decisions.map(({ scorer }) => ({ model: scorer.name, version: versionOf(scorer) }))
}
