import { Backoff } from '../kernel/backoff.ts'
import { TidemarkError } from '../kernel/errors.ts'
import type { TopicPartition } from '../records/port.ts'
import { type Answer, type Scorer, versionOf } from '../scoring/scorer.ts'
import type { ScoreStep } from '../topology/definition.ts'
import type { PreparedTopology } from './prepare.ts'
import type { TaskSurroundings } from './task-surroundings.ts'

const RETRY = { firstMs: 1_000, lastMs: 30_000 }

/**
 * Scores the events of one partition with the models of one topology. A model that fails on nearly
 * all events is retried until it succeeds: the partition waits meanwhile, and none of its events
 * are set aside.
 */
export class PatientScoring {
  readonly #topology: PreparedTopology
  readonly #partition: TopicPartition
  readonly #around: TaskSurroundings
  readonly #over = new AbortController()

  constructor(topology: PreparedTopology, partition: TopicPartition, around: TaskSurroundings) {
    this.#topology = topology
    this.#partition = partition
    this.#around = around
  }

  /** @returns `null` when the partition was lost meanwhile */
  async score(step: ScoreStep, rows: Float32Array, count: number): Promise<Answer | null> {
    const backoff = new Backoff(RETRY, this.#around.random)
    for (let hasFailed = false; ; hasFailed = true) {
      try {
        const scores = await this.#ask(step, rows, count)
        if (hasFailed) this.#tell(step, null)
        return scores
      } catch (error) {
        if (!(error instanceof TidemarkError) || error.code !== 'MODEL_FAILING') throw error
        if (!hasFailed) this.#tell(step, error.message)
      }
      await this.#around.clock.sleep(backoff.nextMs(), this.#over.signal)
      if (this.#over.signal.aborted) return null
    }
  }

  /** The partition is lost. */
  stop(): void {
    this.#over.abort()
  }

  async #ask(step: ScoreStep, rows: Float32Array, count: number): Promise<Answer> {
    const { observer } = this.#around
    const scorer = this.#topology.scorers.get(step.name) as Scorer
    const answer = await scorer.score(rows, count)
    const [model, version] = [scorer.name, versionOf(scorer)]
    const topology = this.#topology.definition.name
    if (count > 0) {
      const { runMs: durationMs } = answer
      observer({ type: 'inference', topology, model, version, rows: count, durationMs })
    }
    return answer
  }

  #tell(step: ScoreStep, reason: string | null): void {
    const topology = this.#topology.definition.name
    const about = { topology, partition: this.#partition, step: step.name }
    this.#around.observer({ type: 'model-failing', ...about, reason })
  }
}
