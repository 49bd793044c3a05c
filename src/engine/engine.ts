// The pure heart: events of one partition in, rows for the models out. Synchronous; no clock, no I/O, no chance.

import { TidemarkError } from '../kernel/errors.ts'
import { formatDuration } from '../kernel/time.ts'
import { type Definition, type FeaturesStep, type Step, stepsOf } from '../topology/definition.ts'
import type { Lookup } from '../topology/lookup.ts'
import { nameOf } from '../topology/schema.ts'
import type { Arrivals, EngineResult, EventBatch, Fault, Flow, LateEvents } from './events.ts'
import { FeatureRows } from './feature-rows.ts'
import { Watermark } from './watermark.ts'

/** The state of one task: the watermark and the windows of one topology on one partition. */
export class Engine {
  readonly #definition: Definition
  readonly #watermark: Watermark
  readonly #featureRows: ReadonlyMap<FeaturesStep, FeatureRows>

  constructor(definition: Definition, lookup: Lookup) {
    this.#definition = definition
    this.#watermark = new Watermark(definition.source)
    const steps = [...stepsOf(definition.then)].filter((s) => s.op === 'features')
    this.#featureRows = new Map(
      steps.map((step) => [step, new FeatureRows(step, definition.source.onLate, lookup)]),
    )
  }

  get watermarkMs(): number {
    return this.#watermark.nowMs
  }

  /** Keys that hold memory. */
  get keys(): number {
    return [...this.#featureRows.values()].reduce((sum, rows) => sum + rows.keys, 0)
  }

  /** Takes the events of the next chunk, in log order. */
  process(batch: EventBatch): EngineResult {
    const run = new Run(this.#featureRows)
    const { keys, events, timesMs } = batch
    const indices: number[] = []
    const watermarksMs = new Float64Array(batch.count)
    for (let index = 0; index < batch.count; index++) {
      const timeMs = timesMs[index] as number
      const recordTimeMs = batch.recordTimesMs[index] as number
      watermarksMs[index] = this.#watermark.nowMs
      if (this.#watermark.admit(timeMs, recordTimeMs) === 'future') {
        run.fault(index, this.#definition.source.topic, futureError(timeMs, recordTimeMs))
      } else indices.push(index)
    }
    run.follow(this.#definition.then, { indices, events, keys, timesMs, watermarksMs })
    const { arrivals, late } = run
    return { arrivals, late, faults: [...run.faults.values()], watermarkMs: this.#watermark.nowMs }
  }
}

/** One chunk on its way through the steps. */
class Run {
  readonly arrivals: Arrivals[] = []
  readonly late: LateEvents[] = []
  /** By event: the first fault decides, an event is set aside once. */
  readonly faults = new Map<number, Fault>()
  readonly #featureRows: ReadonlyMap<FeaturesStep, FeatureRows>

  constructor(featureRows: ReadonlyMap<FeaturesStep, FeatureRows>) {
    this.#featureRows = featureRows
  }

  readonly fault = (index: number, step: string, error: TidemarkError): void => {
    if (!this.faults.has(index)) this.faults.set(index, { index, step, error })
  }

  follow(then: readonly Step[], flow: Flow): void {
    for (const step of then) {
      switch (step.op) {
        case 'where': {
          const indices = this.#each(step.name, flow, (event) => step.keep(event))
          this.follow(step.then, { ...flow, indices })
          break
        }
        case 'map': {
          const events: unknown[] = new Array(flow.events.length)
          const indices = this.#each(step.name, flow, (event, index) => {
            events[index] = step.to(event)
            return true
          })
          this.follow(step.then, { ...flow, indices, events })
          break
        }
        case 'features': {
          const featureRows = this.#featureRows.get(step) as FeatureRows
          const { arrivals, late } = featureRows.run(flow, this.fault)
          this.arrivals.push(...arrivals)
          if (late.length > 0) this.late.push({ step: step.name, indices: late })
          break
        }
        case 'sink': {
          const { indices } = flow
          const events = indices.map((index) => flow.events[index])
          this.arrivals.push({ step, indices, events, rows: NO_ROWS })
          break
        }
        case 'score':
        case 'tumbling':
          throw new TidemarkError('INVARIANT', `step "${step.name}" (${step.op}) cannot stand here`)
      }
    }
  }

  /** Calls a step of the author's for each event; the indices of those for which it holds. */
  #each(
    step: string,
    { indices, events }: Flow,
    holds: (event: unknown, index: number) => boolean,
  ): number[] {
    return indices.filter((index) => {
      try {
        return holds(events[index], index)
      } catch (cause) {
        const what = `step "${step}" threw ${nameOf(cause)}`
        this.fault(index, step, new TidemarkError('FUNCTION_THREW', what, { cause }))
        return false
      }
    })
  }
}

const NO_ROWS = new Float32Array(0)

function futureError(timeMs: number, recordTimeMs: number): TidemarkError {
  const ahead = formatDuration(timeMs - recordTimeMs)
  return new TidemarkError(
    'FUTURE',
    `event time ${timeMs} is ${ahead} after its record's own timestamp ${recordTimeMs}`,
    {
      hint: 'a producer with a wrong clock? watermark.maxAhead says how far ahead an event may be',
    },
  )
}
