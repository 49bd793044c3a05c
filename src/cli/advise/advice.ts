import { days, formatDuration } from '../../kernel/time.ts'
import { grouped, plural, shownMs } from '../../kernel/wording.ts'
import type { Cost } from '../../scoring/runner.ts'
import { rowsWithin } from '../../scoring/warm-up.ts'
import type { Demand } from './demand.ts'

// Which form of prediction: first by a rule of thumb, then by measured times, which overrule it.

/** Times of models and a topology here, on one thread. */
export interface Measured {
  /** The most workers of a batch, which are on one machine. */
  readonly cores: number
  /** Until models and topology were loaded. */
  readonly startMs: number
  /** Parts of t(n) = baseMs + rowMs · n, and t(1). */
  readonly models: readonly (Cost & Readonly<{ name: string; by: string; oneRowMs: number }>)[]
  /** In decoding, windows, scoring and encoding; `null`: there are no events. */
  readonly events: { readonly events: number; readonly microsPerEvent: number } | null
}

export type Form = 'on request' | 'stream' | 'batch, scheduled' | 'batch, on arrival' | 'none'

export interface Advice {
  readonly form: Form
  /** `null`: several, and nothing was measured. */
  readonly workers: number | null
  /** Rows of a batch of the model at the peak; `null`: unknown. */
  readonly batchRows: number | null
  readonly rule: string
  /** The measured times, in words. */
  readonly measured: readonly string[]
  /** Why the form is not that of the rule; `null`: it is. */
  readonly overruled: string | null
  readonly against: readonly string[]
}

/** Time of a worker for Kafka or files, and for HTTP, µs an event: test/bench/RESULTS.md. */
const WIRE_MICROS = 25
const HTTP_MICROS = 67
/** The most of its time that a worker is to be busy at the peak: the rest is for a higher one. */
const MOST_BUSY = 0.6
/** Each worker of a batch has partitions of its own, of which there are so many. */
const MOST_BATCH_WORKERS = 6
const AGAINST: Readonly<Record<Form, string>> = {
  'on request': 'a caller waits for each score, and has to ask again when none comes',
  stream: 'outputs appear at commits, after 10 to 250 ms; a worker costs while nothing comes',
  'batch, scheduled': 'a score is as old as its batch, and a run that fails costs as long again',
  'batch, on arrival': 'each run loads models and topology first, and something has to start it',
  none: 'what would meet it: a smaller model, a fallback on the budget, scores of a batch reused',
}

function byRule({ maxLatencyMs, eventsPerDay, cost }: Demand): Advice {
  const advice = { workers: 1, batchRows: null, measured: [], overruled: null, against: [] }
  if (maxLatencyMs < 100) {
    const workers = eventsPerDay < 1_000_000 ? 1 : null
    const many = 'one worker below 1,000,000 events a day, else a scaled group'
    return { ...advice, form: 'on request', workers, rule: `below 100 ms on request; ${many}` }
  }
  if (maxLatencyMs < 1_000) return { ...advice, form: 'stream', rule: 'below 1 s the stream' }
  const rule = 'from 1 s on batch; scheduled where cost matters most, else on arrival'
  return { ...advice, form: cost === 'high' ? 'batch, scheduled' : 'batch, on arrival', rule }
}

export function adviceFor(demand: Demand, measured: Measured | null): Advice {
  const rule = byRule(demand)
  const advice = measured === null ? rule : byMeasure(rule, demand, measured)
  const isLive = advice.form === 'on request' || advice.form === 'stream'
  const spare = isLive && demand.needs.includes('spare') ? 1 : 0
  const workers = advice.workers && advice.workers + spare
  const against = [AGAINST[advice.form]]
  if (isLive && workers !== 1)
    against.push('workers of a topology share the partitions of its topic: it needs as many')
  if (measured === null) against.push('nothing measured: give --model, or --topology, --input')
  return { ...advice, workers, against }
}

/**
 * Rows that come while a batch runs are the next batch: at l rows a ms, a worker is in balance with
 * t(n) = a / (1 − l · b). An event waits for one and is in the next, so 2 · t(n) is to be in time.
 */
function byMeasure(rule: Advice, demand: Demand, times: Measured): Advice {
  const { cores, startMs, models, events } = times
  const { maxLatencyMs } = demand
  const limit = formatDuration(maxLatencyMs)
  const peakPerMs = demand.peakPerSecond / 1_000
  const [slowest] = models.toSorted((a, b) => b.oneRowMs - a.oneRowMs)
  const { baseMs, rowMs, oneRowMs } = slowest ?? { baseMs: 0, rowMs: 0, oneRowMs: 0 }
  const [wire, wireMicros] =
    rule.form === 'on request' ? ['HTTP', HTTP_MICROS] : ['Kafka or files', WIRE_MICROS]
  const eventMs = ((events?.microsPerEvent ?? rowMs * 1_000) + wireMicros) / 1_000
  const per = events && `${about(events.microsPerEvent)} µs an event, of ${events.events} in memory`
  const measured = [
    ...models.flatMap(({ name, by, ...t }) => [
      `${name}, by ${by}: ${about(t.baseMs * 1_000)} + ${about(t.rowMs * 1_000)} · n µs for n rows, ${shownMs(t.oneRowMs)} ms for one`,
      `  a thread does ${about(1_000 / t.oneRowMs)} calls of one row a second, and a batch of ${plural(rowsWithin(maxLatencyMs, t), 'row')} in ${limit}`,
    ]),
    `${per ?? 'no events, so a row stands for one'}; ${wireMicros} µs more for ${wire}`,
    `a worker does ${about(1_000 / eventMs)} events a second, ${about(1 / eventMs / peakPerMs)} times the peak; it is to be busy for ${MOST_BUSY * 100} % at most`,
  ]
  if (2 * oneRowMs >= maxLatencyMs) {
    const row = `a row takes ${shownMs(oneRowMs)} ms, and may wait for another`
    const overruled = `no form meets ${limit} here: ${row}`
    return { ...rule, form: 'none', workers: 0, measured, overruled }
  }
  const mostBusy = Math.min(MOST_BUSY, 1 - (2 * baseMs) / maxLatencyMs)
  const workers = Math.ceil((peakPerMs * eventMs) / mostBusy)
  const each = peakPerMs / workers
  const batchRows = Math.round((each * baseMs) / (1 - each * eventMs)) || 1
  const live = { ...rule, workers, batchRows, measured }
  if (rule.form === 'stream') return live
  if (rule.form === 'on request') {
    if ((workers === 1) === (rule.workers === 1)) return live
    const says = rule.workers === 1 ? 'one' : 'a scaled group'
    return { ...live, overruled: `${plural(workers, 'worker')}, though the rule says ${says}` }
  }
  const inBatch = Math.ceil((demand.eventsPerDay * maxLatencyMs) / days(1))
  const most = Math.min(cores, MOST_BATCH_WORKERS)
  const enough = Math.ceil((inBatch * eventMs) / Math.max(0, maxLatencyMs - startMs))
  const n = Math.min(enough, most)
  const lasts = `a batch of ${grouped(inBatch)} events takes ${formatDuration(startMs + (inBatch * eventMs) / n)} with ${plural(n, 'worker')}`
  if (enough <= most) return { ...rule, workers: n, measured: [...measured, lasts] }
  const overruled = `no batch, though the rule says one: ${lasts}, longer than ${limit}`
  return { ...live, form: 'stream', overruled }
}

/** Three significant digits. */
export function about(n: number): string {
  return grouped(Number(n.toPrecision(3)))
}
