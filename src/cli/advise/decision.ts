import { formatDuration } from '../../kernel/time.ts'
import { rowsWithin } from '../../scoring/warm-up.ts'
import { grouped, plural, shownMs } from '../print.ts'
import type { Inputs } from './inputs.ts'
import type { Measured, ModelTimes } from './measure.ts'

// Which form of prediction: first by a rule of thumb, then by what was measured, which overrules it.

export type Form = 'on-request' | 'stream' | 'batch-scheduled' | 'batch-on-arrival' | 'none'

/** The rule of thumb, below these: on request, the stream. */
const ON_REQUEST_BELOW_MS = 100
const STREAM_BELOW_MS = 1_000
const ONE_WORKER_BELOW = 1_000_000
const DAY_S = 86_400
/** How many times the mean the events of the busiest second are. */
export const PEAK = 3
/** What Kafka, HTTP or files take of a worker for an event, µs: test/bench/RESULTS.md. */
const WIRE_MICROS = 20

export interface Rule {
  readonly form: Form
  /** `null`: several, and the rule does not say how many. */
  readonly workers: number | null
  readonly why: string
}

export interface Decision {
  readonly form: Form
  /** `null`: several, and nothing was measured. */
  readonly workers: number | null
  /** Rows of a batch of the model at the peak; `null`: unknown. */
  readonly batchRows: number | null
  readonly rule: Rule
  /** What was measured, in words; empty: nothing. */
  readonly measured: readonly string[]
  /** Why it is not the rule's; `null`: it is. */
  readonly overruled: string | null
  readonly against: readonly string[]
  readonly slowest: ModelTimes | null
}

export function ruleOf({ maxLatencyMs, eventsPerDay, cost }: Inputs): Rule {
  if (maxLatencyMs < ON_REQUEST_BELOW_MS) {
    const isFew = eventsPerDay < ONE_WORKER_BELOW
    const how = isFew
      ? 'below 1,000,000 a day one worker'
      : 'from 1,000,000 a day on a scaled group'
    return { form: 'on-request', workers: isFew ? 1 : null, why: `below 100 ms on request, ${how}` }
  }
  if (maxLatencyMs < STREAM_BELOW_MS) {
    return { form: 'stream', workers: 1, why: 'from 100 ms to 1 s the stream' }
  }
  return cost === 'high'
    ? {
        form: 'batch-scheduled',
        workers: 1,
        why: 'from 1 s on batch, scheduled where cost matters most',
      }
    : {
        form: 'batch-on-arrival',
        workers: 1,
        why: 'from 1 s on batch, on arrival unless cost matters most',
      }
}

/**
 * @param measured `null`: nothing
 * @param cores the most workers of a batch, which are on one machine
 */
export function decide(inputs: Inputs, measured: Measured | null, cores: number): Decision {
  const rule = ruleOf(inputs)
  const decided = measured === null ? undecided(rule) : byMeasure(rule, inputs, measured, cores)
  const isLive = decided.form === 'on-request' || decided.form === 'stream'
  const hasSpare = isLive && decided.workers !== null && inputs.needs.includes('spare')
  const workers = hasSpare ? (decided.workers ?? 0) + 1 : decided.workers
  const against = [
    ...againstForm(decided.form, inputs),
    ...decided.against,
    ...(measured === null ? [] : againstMeasure(measured)),
  ]
  if (isLive && (workers ?? 0) > 1) against.push(`the topic needs at least ${workers} partitions`)
  const { overruled: why } = decided
  const overruled = why !== null && hasSpare ? `${why}; and one to spare` : why
  return { rule, ...decided, workers, overruled, against }
}

type Decided = Omit<Decision, 'rule'>

function undecided({ form, workers }: Rule): Decided {
  const against = ['nothing was measured: that takes --model, or --topology with --input']
  const unknown = { batchRows: null, measured: [], overruled: null, slowest: null }
  return { form, workers, ...unknown, against }
}

function byMeasure(rule: Rule, inputs: Inputs, measured: Measured, cores: number): Decided {
  const { maxLatencyMs, eventsPerDay } = inputs
  const [slowest = null] = measured.models.toSorted((a, b) => b.oneRowMs - a.oneRowMs)
  const load = loadOf(inputs, measured, slowest)
  const what = measuredInWords(inputs, measured, load)
  const decided = { form: rule.form, batchRows: null, measured: what, overruled: null, slowest }
  const limit = shownLimit(inputs)
  if (slowest !== null && slowest.oneRowMs > maxLatencyMs) {
    const overruled = `no form meets ${limit} here: a row alone takes ${shownMs(slowest.oneRowMs)} ms`
    const against = [
      "what would: a smaller model, a fallback with fallbackOn: ['budget'], or scores of a batch that are reused",
    ]
    return { ...decided, form: 'none', workers: 0, overruled, against }
  }
  const live = { workers: load.workers, batchRows: load.batchRows, against: load.against }
  if (rule.form === 'on-request') return { ...decided, ...live, overruled: otherNumber(rule, load) }
  if (rule.form === 'stream') return { ...decided, ...live }
  const events = (eventsPerDay * maxLatencyMs) / (DAY_S * 1_000)
  const lastsMs = (workers: number) => measured.startMs + (events * load.eventMs) / workers
  const numbers = Array.from({ length: Math.min(cores, BATCH_WORKERS) }, (_, i) => i + 1)
  const workers = numbers.find((n) => lastsMs(n) <= maxLatencyMs)
  const most = workers ?? Math.max(...numbers)
  const lasts = `a batch of ${plural(Math.ceil(events), 'event')} takes ${formatDuration(lastsMs(most))}`
  if (workers === undefined) {
    const why = `no batch, though the rule says one: ${lasts} with ${plural(most, 'worker')}, longer than ${limit}`
    return { ...decided, ...live, form: 'stream', overruled: why }
  }
  return { ...decided, workers, measured: [...what, lasts], against: [] }
}

/** Workers of a batch have partitions of their own, of which there are so many. */
const BATCH_WORKERS = 6

interface Load {
  readonly peakPerSecond: number
  /** What one worker takes for an event, ms. */
  readonly eventMs: number
  /** So many that an event waits for one batch at most, and is answered in time with the next. */
  readonly workers: number
  readonly batchRows: number
  readonly against: readonly string[]
}

/**
 * The rows that come while a batch runs are the next batch, so at l rows a ms a worker is in
 * balance at n = l · t(n), where t(n) = a / (1 − l · b). An event waits for one such batch and is
 * in the next: 2 · t(n) is to be within the latency.
 */
function loadOf(inputs: Inputs, { events }: Measured, slowest: ModelTimes | null): Load {
  const { maxLatencyMs } = inputs
  const { baseMs, rowMs } = slowest?.cost ?? { baseMs: 0, rowMs: 0 }
  const eventMs = ((events?.microsPerEvent ?? rowMs * 1_000) + WIRE_MICROS) / 1_000
  const peakPerSecond = peakOf(inputs)
  const peakPerMs = peakPerSecond / 1_000
  const share = 1 - (2 * baseMs) / maxLatencyMs
  // A model that takes over half of the time: a call that waits for another is late.
  const isTight = 2 * (baseMs + eventMs) > maxLatencyMs
  const busy = isTight ? baseMs + eventMs : eventMs / share
  const workers = Math.max(1, Math.ceil(peakPerMs * busy))
  const each = peakPerMs / workers
  const batchRows = isTight ? 1 : Math.max(1, Math.round((each * baseMs) / (1 - each * eventMs)))
  const late = formatDuration(2 * (baseMs + eventMs))
  const against = isTight ? [`an event that waits for another is answered only after ${late}`] : []
  return { peakPerSecond, eventMs, workers, batchRows, against }
}

export function peakOf({ eventsPerDay }: Inputs): number {
  return (eventsPerDay / DAY_S) * PEAK
}

function otherNumber(rule: Rule, { workers, eventMs, peakPerSecond }: Load): string | null {
  if (workers === (rule.workers ?? 0)) return null
  if (rule.workers === null) {
    if (workers > 1) return null
    const times = about(1_000 / eventMs / peakPerSecond)
    return `one worker, though the rule says a scaled group: it does ${times} times the peak`
  }
  return `${workers} workers, though the rule says one: one alone falls behind at the peak`
}

function measuredInWords(inputs: Inputs, { models, events }: Measured, load: Load): string[] {
  const ofModels = models.flatMap(({ name, computedBy, oneRowMs, cost }) => {
    const { baseMs, rowMs } = cost
    const times = `a row takes ${shownMs(oneRowMs)} ms (p99), n rows ${micros(baseMs)} + ${micros(rowMs)} · n µs`
    const calls = `one thread does ${about(1_000 / (baseMs + rowMs))} calls of a row a second`
    const most = plural(rowsWithin(inputs.maxLatencyMs, cost), 'row')
    const fits = `a batch of up to ${most} fits into ${shownLimit(inputs)}`
    return [`${name}, by ${computedBy}: ${times}`, `  ${calls}; ${fits}`]
  })
  const perEvent =
    events === null
      ? 'no events, which --topology with --input has, so each is reckoned as a row'
      : `${micros(events.microsPerEvent / 1_000)} µs an event, of ${grouped(events.events)} in memory`
  return [
    ...ofModels,
    `${perEvent}; and ${WIRE_MICROS} µs are reckoned for Kafka, HTTP or files`,
    `so a worker does ${about(1_000 / load.eventMs)} events a second; the peak is ${about(load.peakPerSecond)}`,
  ]
}

export function shownLimit({ maxLatencyMs }: Pick<Inputs, 'maxLatencyMs'>): string {
  return maxLatencyMs < 1 ? `${maxLatencyMs} ms` : formatDuration(maxLatencyMs)
}

/** Three significant digits. */
export function about(n: number): string {
  return grouped(Number(n.toPrecision(3)))
}

function micros(ms: number): string {
  return about(ms * 1_000)
}

/** With fewer, chunks are so small that an event seems to take longer. */
const MANY_EVENTS = 5_000

function againstMeasure({ events }: Measured): readonly string[] {
  if (events === null || events.events >= MANY_EVENTS) return []
  return [`only ${plural(events.events, 'event')} were measured: among more, an event takes less`]
}

function againstForm(form: Form, inputs: Inputs): readonly string[] {
  const limit = shownLimit(inputs)
  switch (form) {
    case 'on-request':
      return ['a caller waits for each score, and has to ask again when none comes']
    case 'stream':
      return [
        'outputs can be read when they are committed: 10 ms apart, under load up to 250 ms (exactly once)',
        'workers run, and cost, also when nothing comes',
      ]
    case 'batch-scheduled':
      return [`a score is up to ${limit} old, and a run that fails costs as long again`]
    case 'batch-on-arrival':
      return ['each run loads models and topology first, and something has to start it']
    case 'none':
      return []
  }
}
