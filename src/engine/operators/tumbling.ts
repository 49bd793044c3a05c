import { called } from '../../plan/events.ts'
import { type ColumnUses, checkAggregate } from '../../topology/aggregates/check.ts'
import { textOf } from '../../topology/aggregates/table.ts'
import { stepsOf, type TumblingStep } from '../../topology/definition.ts'
import type { Flow, WindowResult } from '../events.ts'
import type { Run } from '../run.ts'
import { TumblingWindows } from '../tumbling-windows.ts'
import type { Around, Kept, Operator, OperatorRule, Pieces } from './rule.ts'
import { checkLength, checkPlace, functionsOf, notSupported, type Tell } from './windows-over.ts'

const EMITS: readonly TumblingStep['emit'][] = ['final', 'early']
/** Fields that every result has. */
const OF_EVERY_WINDOW = ['key', 'windowStartMs', 'windowEndMs', 'isFinal']

/** Makes events of what windows of one length, side by side, come to. */
export const tumbling: OperatorRule<TumblingStep> = {
  detail: ({ lengthMs, graceMs, emit, columns, aggregates }, print) => ({
    lengthMs,
    graceMs,
    emit,
    columns: textsOf(columns, print),
    aggregates: textsOf(aggregates, textOf),
  }),

  // A window that is open began so long before the watermark, and its result is told so long after.
  keeps: ({ lengthMs, graceMs }) => {
    const delayMs = lengthMs + graceMs
    return { lengthMs: delayMs, delayMs, forEver: [] }
  },

  functions: ({ name, columns }) => functionsOf(name, columns),

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
      const tell: Tell = (what, o) => report(`${name}.${field}`, what, o)
      if (OF_EVERY_WINDOW.includes(field)) tell(`every result has a field "${field}" already`)
      checkAggregate(aggregate, uses, tell)
    }
  },

  open: (step, open, around) => new Tumbling(step, open(step.then, called), around),
}

class Tumbling implements Operator {
  readonly #step: TumblingStep
  readonly #behind: readonly Operator[]
  readonly #isWhole: boolean
  /** Must windows tell their results also where nothing is wanted of them? */
  readonly #feedsWindows: boolean
  readonly #windows: TumblingWindows

  constructor(step: TumblingStep, behind: readonly Operator[], around: Around) {
    this.#step = step
    this.#behind = behind
    this.#isWhole = around.isWhole
    this.#feedsWindows = [...stepsOf(step.then)].some(({ op }) => op === 'features')
    this.#windows = new TumblingWindows(step, around.onLate === 'dead-letter', around)
  }

  get kept(): Kept {
    const windows = this.#windows
    const { bytes, texts, nextEndMs } = windows
    return { states: [windows], bytes, texts, nextEndMs }
  }

  take(flow: Flow, run: Run): Pieces {
    return this.#follow(run, (of) => this.#windows.take(flow, of))
  }

  pass(watermarkMs: number, run: Run): Pieces {
    return this.#follow(run, (of) => this.#windows.pass(watermarkMs, of))
  }

  settle(most: number): void {
    this.#windows.expire(most)
  }

  /** The results of windows go on as a stream of their own, piece by piece. */
  *#follow(
    run: Run,
    resultsOf: (of: Parameters<TumblingWindows['take']>[1]) => Iterable<readonly WindowResult[]>,
  ): Pieces {
    const { name } = this.#step
    const outcome = { entered: run.windowed, late: [] as number[], closed: 0 }
    const results = resultsOf({
      fault: (index, error) => run.fault(index, name, error),
      outcome,
      isWanted: run.mode === 'live' || this.#feedsWindows,
    })
    let isFirst = true
    for (const piece of results) {
      // Nothing is given of what must be whole, but there is time for others.
      if (!isFirst) yield this.#isWhole ? [] : run.takeArrivals()
      isFirst = false
      if (piece.length === 0) continue
      const flow = flowOf(piece)
      for (const operator of this.#behind) yield* operator.take(flow, run)
    }
    run.late(name, outcome.late)
    run.closed(name, outcome.closed)
  }
}

/**
 * Results of windows as events: each at its window's last millisecond, which no later one is
 * behind.
 */
function flowOf(windows: readonly WindowResult[]): Flow {
  const timesMs = Float64Array.from(windows, (w) => w.endMs - 1)
  return {
    count: windows.length,
    indices: windows.map((_, index) => index),
    events: windows.map((w) => w.event),
    keys: windows.map((w) => w.keyNumber),
    timesMs,
    watermarksMs: timesMs,
    windows,
  }
}

function textsOf<V>(
  all: Readonly<Record<string, V>>,
  text: (of: V) => string,
): Record<string, string> {
  return Object.fromEntries(Object.entries(all).map(([name, of]) => [name, text(of)]))
}
