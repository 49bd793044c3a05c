import { startOfWindow } from '../../kernel/time.ts'
import type { DedupeStep, TumblingStep } from '../../topology/definition.ts'
import { stepsOf } from '../../topology/graph.ts'
import type { OnLate } from '../../topology/source.ts'
import type { Flow } from '../events.ts'
import { lateError } from '../faults.ts'
import { type ChunkRun, subjectOf } from '../run.ts'
import { EventIds, SeenIds } from '../seen-ids.ts'
import type { StateUse } from '../store/state-limits.ts'
import { isLate, isWindowClosed } from '../watermark.ts'
import type {
  ArrivalPieces,
  Operator,
  OperatorContext,
  OperatorRule,
  OperatorState,
  ReportFault,
  StepPlace,
} from './rule.ts'

/** Leaves out events whose id has come before. */
export const dedupe: OperatorRule<DedupeStep> = {
  detail: ({ by, withinMs }, print) => ({ by: print(by), withinMs }),

  // An event at a window's edge may be the duplicate of one up to `within` before that edge.
  keeps: ({ withinMs }) => ({ lengthMs: withinMs, delayMs: withinMs, forEver: [] }),

  *functions({ name, by }) {
    yield { where: `${name}.by`, argument: 'event', of: by }
  },

  check(step, place, report) {
    const { name, by, withinMs } = step
    checkIsEarly(name, place, report)
    if (typeof by !== 'function') {
      report(name, `by must be a function of the event, got ${typeof by}`)
    }
    if (!(Number.isInteger(withinMs) && withinMs > 0)) {
      report(name, `within ${withinMs} ms must be a whole number above 0`)
    }
  },

  open: (step, open, context) => new Dedupe(step, open(step.then, context.reader), context),
}

function checkIsEarly(name: string, { isScored, results }: StepPlace, report: ReportFault): void {
  if (!isScored && results === null) return
  const of = isScored ? 'scores' : 'the results of windows'
  const hint = 'call .dedupe on the stream of the source, before windows and models'
  report(name, `duplicates among ${of}`, { code: 'NOT_SUPPORTED', hint })
}

class Dedupe implements Operator {
  readonly #name: string
  readonly #onLate: OnLate
  readonly #behind: readonly Operator[]
  readonly #windows: readonly TumblingStep[]
  readonly #use: StateUse
  readonly #seen: SeenIds
  readonly #ids: EventIds
  #watermarkMs = Number.NEGATIVE_INFINITY

  constructor(
    { name, by, withinMs, then }: DedupeStep,
    behind: readonly Operator[],
    { onLate, reader, keys, use }: OperatorContext,
  ) {
    this.#name = name
    this.#onLate = onLate
    this.#behind = behind
    this.#windows = [...stepsOf(then)].filter((step) => step.op === 'tumbling')
    const openMs = this.#windows.map(({ lengthMs, graceMs }) => lengthMs + graceMs)
    const retentionMs = withinMs + Math.max(0, ...openMs)
    this.#use = use
    this.#seen = new SeenIds({ withinMs, retentionMs }, { keys, use })
    this.#ids = new EventIds(reader(by), this.#seen.numbers)
  }

  get kept(): OperatorState {
    const { bytes, texts } = this.#seen
    return { bytes, texts, nextEndMs: Number.POSITIVE_INFINITY }
  }

  *process(flow: Flow, run: ChunkRun): ArrivalPieces {
    this.#watermarkMs = Math.max(this.#watermarkMs, flow.watermarksMs.at(-1) ?? this.#watermarkMs)
    const late: number[] = []
    const indices = flow.indices.filter((index) => {
      if (!this.#isLate(flow, index)) return this.#isFirst(flow, index, run)
      late.push(index)
      return this.#passesLate(flow, index, run)
    })
    run.late(this.#name, late)
    const passed = late.length === 0 ? flow.late : new Set([...flow.late, ...late])
    for (const operator of this.#behind) {
      yield* operator.process({ ...flow, indices, late: passed }, run)
    }
  }

  settle(most: number): void {
    this.#seen.expire(this.#watermarkMs, most)
  }

  /** Is the event behind the watermark, and too late for every window after this step? */
  #isLate({ timesMs, watermarksMs }: Flow, index: number): boolean {
    const timeMs = timesMs[index] as number
    const watermarkMs = watermarksMs[index] as number
    if (!isLate(timeMs, watermarkMs)) return false
    return this.#windows.every(({ lengthMs, graceMs }) => {
      return isWindowClosed(startOfWindow(timeMs, lengthMs) + lengthMs, graceMs, watermarkMs)
    })
  }

  #passesLate(flow: Flow, index: number, run: ChunkRun): boolean {
    if (this.#onLate === 'dead-letter') {
      const { timesMs, watermarksMs } = flow
      const error = lateError(timesMs[index] as number, watermarksMs[index] as number)
      run.fault(subjectOf(flow, index), this.#name, error)
    }
    return this.#onLate === 'score'
  }

  #isFirst(flow: Flow, index: number, run: ChunkRun): boolean {
    const key = flow.keys[index] as number
    const timeMs = flow.timesMs[index] as number
    const unfit = this.#ids.read(flow, index)
    const id = this.#ids.number
    if (unfit === null && this.#seen.joins(id, timeMs)) {
      run.duplicates.push(index)
      return false
    }
    const error = unfit ?? this.#use.refusal(this.#seen.has(key) ? 0 : 1)
    if (error === null) this.#seen.begin(id, key, timeMs)
    else run.fault(subjectOf(flow, index), this.#name, error)
    return error === null
  }
}
