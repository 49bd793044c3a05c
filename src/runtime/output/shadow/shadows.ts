import type { Records } from '../../../connect/port.ts'
import type { ShadowRows } from '../../../engine/events.ts'
import { atMost } from '../../../kernel/clock.ts'
import { ConditionVariable } from '../../../kernel/condition-variable.ts'
import type { Compression } from '../../../kernel/kafka.ts'
import { StepModel } from '../../../scoring/step-models.ts'
import type { StepScorer } from '../../../scoring/step-scorer.ts'
import type { WorkerContext } from '../../context.ts'
import type { PreparedShadow, PreparedTopology } from '../../prepared.ts'
import { BestEffortWriter } from './best-effort-writer.ts'
import type { OfferedEvents } from './kept-rows.ts'
import { RunningShadow, type ShadowParts } from './shadow.ts'
import { ShadowOutputs } from './shadow-outputs.ts'

/** The most rows that may wait for the shadows of a worker, or be scored by them. */
const MOST_ROWS = 16_384
/** How long a run in flight may take when the worker stops, ms. */
const STOP_WITHIN_MS = 1_000

interface ShadowsOptions extends Pick<WorkerContext, 'clock' | 'observer'> {
  readonly topologies: readonly PreparedTopology[]
  readonly records: Pick<Records, 'writer'>
  readonly compression: Compression
}

/** A shadow that runs, with its place. */
interface PlacedShadow extends Pick<PreparedShadow, 'step' | 'number'> {
  readonly topology: string
  readonly running: RunningShadow
}

export class Shadows {
  readonly #o: ShadowsOptions
  readonly #room = { rows: MOST_ROWS }
  readonly #shadows: readonly PlacedShadow[]
  readonly #changed = new ConditionVariable()

  constructor(options: ShadowsOptions) {
    this.#o = options
    this.#shadows = options.topologies.flatMap((topology) =>
      topology.shadows.map((prepared) => ({
        ...prepared,
        topology: topology.definition.name,
        running: new RunningShadow(this.#partsOf(topology, prepared)),
      })),
    )
  }

  /** @param chosen by shadow of the step */
  offer(topology: string, chosen: readonly ShadowRows[], events: OfferedEvents): void {
    const { name } = events.ready.step
    for (const { step, number, running, ...shadow } of this.#shadows) {
      if (shadow.topology !== topology || step.name !== name) continue
      running.offer(chosen[number] as ShadowRows, events)
    }
  }

  /** Resolves when all that was offered is scored and written, or dropped. */
  settled(): Promise<void> {
    return this.#changed.until(() => this.#shadows.every(({ running }) => running.isIdle))
  }

  /** Drops what waits, and waits for runs in flight, a second at most. */
  async stop(): Promise<void> {
    for (const { running } of this.#shadows) running.stop()
    await atMost(STOP_WITHIN_MS, this.settled(), this.#o.clock)
    await Promise.all(this.#shadows.map(({ running }) => running.close()))
  }

  #partsOf(topology: PreparedTopology, { step, of: shadow, scorer }: PreparedShadow): ShadowParts {
    const { observer, clock, records, compression } = this.#o
    const { decisions } = topology.scorers.get(step.name) as StepScorer
    const parts = { step, scorer, decisions, by: topology.by, clock }
    const labels = { topology: topology.definition.name, step: step.name, model: scorer.name }
    const open = () => records.writer(() => compression)
    const reporting = { labels, observer, clock, changed: () => this.#changed.notifyAll() }
    return {
      ...reporting,
      model: new StepModel(step, shadow.model, scorer),
      room: this.#room,
      topic: shadow.sink && {
        sink: shadow.sink.name,
        outputs: new ShadowOutputs({ ...parts, topic: shadow.sink.topic }),
        writer: new BestEffortWriter({ ...reporting, open }),
      },
    }
  }
}
