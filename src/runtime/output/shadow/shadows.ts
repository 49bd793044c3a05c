import type { Clock } from '../../../kernel/clock.ts'
import { ConditionVariable } from '../../../kernel/condition-variable.ts'
import type { Compression } from '../../../kernel/kafka.ts'
import type { Records } from '../../../records/port.ts'
import { StepModel } from '../../../scoring/step-models.ts'
import type { StepScorer } from '../../../scoring/step-scorer.ts'
import type { Observer } from '../../events.ts'
import type { PreparedTopology } from '../../prepared.ts'
import { BestEffortWriter } from './best-effort-writer.ts'
import { type OfferedEvents, ShadowChoice } from './kept-rows.ts'
import type { PreparedShadow } from './prepared-shadow.ts'
import { QueueRoom, RunningShadow, type ShadowParts, ShadowReport } from './shadow.ts'
import { ShadowOutputs } from './shadow-outputs.ts'

/** How long a run in flight may take when the worker stops, ms. */
const STOP_WITHIN_MS = 1_000

interface ShadowsOptions {
  readonly topologies: readonly PreparedTopology[]
  readonly records: Pick<Records, 'writer'>
  readonly compression: Compression
  readonly observer: Observer
  readonly clock: Clock
  readonly room?: QueueRoom
}

export class Shadows {
  readonly #o: ShadowsOptions
  readonly #room: QueueRoom
  /** By topology, then by step. */
  readonly #shadows = new Map<string, Map<string, RunningShadow[]>>()
  readonly #changed = new ConditionVariable()

  constructor(options: ShadowsOptions) {
    this.#o = options
    this.#room = options.room ?? new QueueRoom()
    for (const topology of options.topologies) {
      const bySteps = new Map<string, RunningShadow[]>()
      for (const prepared of topology.shadows) {
        const { name } = prepared.step
        const own = new RunningShadow(this.#partsOf(topology, prepared))
        bySteps.set(name, [...(bySteps.get(name) ?? []), own])
      }
      this.#shadows.set(topology.definition.name, bySteps)
    }
  }

  offer(topology: string, events: OfferedEvents): void {
    const shadows = this.#shadows.get(topology)?.get(events.ready.step.name) ?? []
    for (const shadow of shadows) shadow.offer(events)
  }

  /** Resolves when all that was offered is scored and written, or dropped. */
  settled(): Promise<void> {
    return this.#changed.until(() => this.#all.every(({ isIdle }) => isIdle))
  }

  /** Drops what waits, and waits for runs in flight, a second at most. */
  async stop(): Promise<void> {
    const all = this.#all
    for (const shadow of all) shadow.stop()
    const giveUp = new AbortController()
    await Promise.race([this.settled(), this.#o.clock.sleep(STOP_WITHIN_MS, giveUp.signal)])
    giveUp.abort()
    await Promise.all(all.map((shadow) => shadow.close()))
  }

  get #all(): RunningShadow[] {
    return [...this.#shadows.values()].flatMap((bySteps) => [...bySteps.values()].flat())
  }

  #partsOf(topology: PreparedTopology, { step, number, of, scorer }: PreparedShadow): ShadowParts {
    const { observer, clock } = this.#o
    const { decisions } = topology.scorers.get(step.name) as StepScorer
    const model = new StepModel(step, of.model, scorer)
    const labels = { topology: topology.definition.name, step: step.name, model: scorer.name }
    const report = new ShadowReport({ labels, observer, clock })
    const changed = () => this.#changed.notifyAll()
    return {
      model,
      choice: new ShadowChoice(step, { number, model, decisions: decisions.length }),
      room: this.#room,
      topic: of.sink && {
        sink: of.sink.name,
        outputs: new ShadowOutputs({
          topic: of.sink.topic,
          step,
          scorer,
          decisions,
          by: topology.by,
          clock,
        }),
        writer: this.#writer(report),
      },
      report,
      changed,
    }
  }

  #writer(report: ShadowReport): BestEffortWriter {
    const { records, compression, clock } = this.#o
    return new BestEffortWriter({
      open: () => records.writer(() => compression),
      clock,
      count: (written, dropped) => report.outputs(written, dropped),
      tell: (reason) => report.unwritten(reason),
      changed: () => this.#changed.notifyAll(),
    })
  }
}
