// The pure heart: events of one partition in, rows for the models out. Synchronous; no clock, no I/O, no chance.

import { TidemarkError } from '../kernel/errors.ts'
import { formatDuration } from '../kernel/time.ts'
import { type Definition, type FeaturesStep, type Step, stepsOf } from '../topology/definition.ts'
import type { Lookup } from '../topology/lookup.ts'
import { nameOf } from '../topology/schema.ts'
import type { Arrivals, EngineResult, EventBatch, Fault, LateEvents } from './events.ts'
import { type Candidate, FeatureRows } from './feature-rows.ts'
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
    const candidates: Candidate[] = []
    for (let index = 0; index < batch.count; index++) {
      const timeMs = batch.timesMs[index] as number
      const recordTimeMs = batch.recordTimesMs[index] as number
      const watermarkMs = this.#watermark.nowMs
      const arrival = this.#watermark.admit(timeMs, recordTimeMs)
      if (arrival === 'future') {
        run.fault(index, this.#definition.source.topic, futureError(timeMs, recordTimeMs))
        continue
      }
      const key = batch.keys[index] as string
      const event = batch.events[index]
      candidates.push({ index, key, timeMs, watermarkMs, late: arrival === 'late', event })
    }
    run.follow(this.#definition.then, candidates)
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

  follow(then: readonly Step[], candidates: readonly Candidate[]): void {
    for (const step of then) {
      switch (step.op) {
        case 'where':
          this.follow(
            step.then,
            this.#each(step.name, candidates, (c) => (step.keep(c.event) ? c : null)),
          )
          break
        case 'map':
          this.follow(
            step.then,
            this.#each(step.name, candidates, (c) => ({ ...c, event: step.to(c.event) })),
          )
          break
        case 'features': {
          const { arrivals, late } = (this.#featureRows.get(step) as FeatureRows).run(
            candidates,
            this.fault,
          )
          this.arrivals.push(...arrivals)
          if (late.length > 0) this.late.push({ step: step.name, indices: late })
          break
        }
        case 'sink':
          this.arrivals.push({
            step,
            indices: candidates.map((c) => c.index),
            events: candidates.map((c) => c.event),
            rows: NO_ROWS,
          })
          break
        case 'score':
        case 'tumbling':
          throw new TidemarkError('INVARIANT', `step "${step.name}" (${step.op}) cannot stand here`)
      }
    }
  }

  /** What a step of the author's makes of each event; `null` leaves it out. */
  #each(
    step: string,
    candidates: readonly Candidate[],
    then: (c: Candidate) => Candidate | null,
  ): Candidate[] {
    const goOn: Candidate[] = []
    for (const candidate of candidates) {
      try {
        const next = then(candidate)
        if (next !== null) goOn.push(next)
      } catch (cause) {
        const what = `step "${step}" threw ${nameOf(cause)}`
        this.fault(candidate.index, step, new TidemarkError('FUNCTION_THREW', what, { cause }))
      }
    }
    return goOn
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
