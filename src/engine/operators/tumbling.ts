import { called } from '../../columns/events.ts'
import { formatDuration } from '../../kernel/time.ts'
import { aggregateText, type ColumnUses, checkAggregate } from '../../topology/aggregates.ts'
import type { TumblingStep } from '../../topology/definition.ts'
import { stepsOf } from '../../topology/graph.ts'
import { type Batch, NO_EVENTS, type WindowResult } from '../events.ts'
import type { ChunkRun } from '../run.ts'
import { TumblingWindows } from '../tumbling-windows.ts'
import {
  checkLength,
  checkPlace,
  functionsOf,
  notSupported,
  type Operator,
  type OperatorContext,
  type OperatorRule,
  type OperatorState,
  type ReadyPieces,
  type ReportFieldFault,
} from './rule.ts'

const EMITS: readonly TumblingStep['emit'][] = ['final', 'early']
const OF_EVERY_WINDOW = ['key', 'windowStartMs', 'windowEndMs', 'isFinal']

/** Emits the results of adjacent windows of one length as events. */
export const tumbling: OperatorRule<TumblingStep> = {
  outcomes: {
    deadLetters: ['FUNCTION_THREW', 'COLUMN_INVALID', 'STATE_LIMIT'],
    late: true,
    windows: true,
  },

  display({ name, lengthMs }) {
    const length = formatDuration(lengthMs)
    return { shape: 'step', label: `${name}: ${length}`, outline: `windows of ${length}` }
  },

  detail: ({ lengthMs, graceMs, emit, columns, aggregates }, print) => ({
    lengthMs,
    graceMs,
    emit,
    columns: textsOf(columns, print),
    aggregates: textsOf(aggregates, aggregateText),
  }),

  // An open window began at most this long before the watermark, and its result lags behind its
  // events by at most as much.
  keeps: ({ lengthMs, graceMs }) => {
    const delayMs = lengthMs + graceMs
    return { lengthMs: delayMs, delayMs, forEver: [] }
  },

  functions: ({ name, columns }) => functionsOf(name, columns),

  placeAfter: (step, place) => ({ ...place, events: 'made', results: step }),

  check(step, place, report) {
    const { name, lengthMs, graceMs, columns, aggregates, emit } = step
    checkPlace(step, place, report)
    if (place.results !== null) {
      notSupported(name, 'tumbling windows over tumbling windows', { of: 'the results', report })
    }
    const uses: ColumnUses = { columns, types: new Map() }
    checkLength(lengthMs, (what) => report(name, what))
    if (!(Number.isInteger(graceMs) && graceMs >= 0)) {
      report(name, `grace ${graceMs} ms must be a whole number, not negative`)
    }
    if (!EMITS.includes(emit)) report(name, `emit "${emit}" must be one of ${EMITS.join(', ')}`)
    for (const [field, aggregate] of Object.entries(aggregates)) {
      const tell: ReportFieldFault = (what, o) => report(`${name}.${field}`, what, o)
      if (OF_EVERY_WINDOW.includes(field)) tell(`every result has a field "${field}" already`)
      checkAggregate(aggregate, uses, tell)
    }
  },

  open: (step, open, context) =>
    new Tumbling(step, open(step.then, { reader: called, shape: null, features: null }), context),
}

class Tumbling implements Operator {
  readonly #step: TumblingStep
  readonly #behind: readonly Operator[]
  readonly #isWhole: boolean
  /** Replays make results too if they feed other windows. */
  readonly #feedsWindows: boolean
  readonly #windows: TumblingWindows

  constructor(step: TumblingStep, behind: readonly Operator[], context: OperatorContext) {
    this.#step = step
    this.#behind = behind
    this.#isWhole = context.isWhole
    this.#feedsWindows = [...stepsOf(step.then)].some(({ op }) => op === 'features')
    this.#windows = new TumblingWindows(step, context.onLate === 'dead-letter', {
      ...context,
      reader: context.input.reader,
    })
  }

  get kept(): OperatorState {
    const windows = this.#windows
    const { bytes, texts, nextEndMs } = windows
    return { states: [windows], bytes, texts, nextEndMs }
  }

  process(batch: Batch, run: ChunkRun): ReadyPieces {
    return this.#follow(run, (of) => this.#windows.process(batch, of))
  }

  advance(watermarkMs: number, run: ChunkRun): ReadyPieces {
    return this.#follow(run, (of) => this.#windows.advance(watermarkMs, of))
  }

  expire(most: number): void {
    this.#windows.expire(most)
  }

  /** Passes the results on as their own stream, piece by piece. */
  *#follow(
    run: ChunkRun,
    resultsOf: (of: Parameters<TumblingWindows['process']>[1]) => Iterable<readonly WindowResult[]>,
  ): ReadyPieces {
    const { name } = this.#step
    const outcome = { entered: run.windowed, late: [] as number[], closed: 0 }
    const results = resultsOf({
      fault: (index, error) => run.fault(index, name, error),
      outcome,
      isWanted: run.mode === 'live' || this.#feedsWindows,
    })
    let isFirst = true
    for (const piece of results) {
      // Whole results are not passed on yet, but others get their turn.
      if (!isFirst) yield this.#isWhole ? [] : run.takeReady()
      isFirst = false
      if (piece.length === 0) continue
      const batch = batchOf(piece)
      for (const operator of this.#behind) yield* operator.process(batch, run)
    }
    run.late(name, outcome.late)
    run.closed(name, outcome.closed)
  }
}

/** Each result has the time of its window's last millisecond, so that none is late. */
function batchOf(windows: readonly WindowResult[]): Batch {
  const timesMs = Float64Array.from(windows, (w) => w.endMs - 1)
  const events = windows.map((w) => w.event)
  return {
    count: windows.length,
    indices: windows.map((_, index) => index),
    events,
    source: events,
    keys: windows.map((w) => w.keyNumber),
    timesMs,
    watermarksMs: timesMs,
    late: NO_EVENTS,
    windows,
    features: null,
  }
}

function textsOf<V>(
  all: Readonly<Record<string, V>>,
  text: (of: V) => string,
): Record<string, string> {
  return Object.fromEntries(Object.entries(all).map(([name, of]) => [name, text(of)]))
}
