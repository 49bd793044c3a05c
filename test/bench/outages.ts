import { wallClock } from '../../src/kernel/clock.ts'
import { launchRedis, type RedisService } from '../services/start-redis.ts'
import { headerOf } from '../support/headers.ts'
import { Arrivals, type Outcomes } from './arrivals.ts'
import { type Figure, percentiles } from './figures.ts'
import { produceAtPace } from './pace.ts'
import type { Stage } from './stage.ts'

// Measures a worker with a store in Redis, under an even load, while Redis is killed, stopped and
// filled, one after the other.

/** From this time after its return on, Redis must give all rows, ms. */
const RETURN_MS = 5_000

/** By name, how an outage begins and ends. */
const OUTAGES = {
  killed: {
    begin: async (redis: RedisService) => redis.signal('SIGKILL'),
    end: (redis: RedisService) => redis.restart(),
  },
  stopped: {
    begin: async (redis: RedisService) => redis.signal('SIGSTOP'),
    end: async (redis: RedisService) => redis.signal('SIGCONT'),
  },
  filled: {
    begin: (redis: RedisService) => redis.cli('CONFIG', 'SET', 'maxmemory', '1'),
    end: (redis: RedisService) => redis.cli('CONFIG', 'SET', 'maxmemory', '0'),
  },
} as const

/** The load. */
export interface OutagesOptions {
  /** Events a second. */
  readonly rate: number
  /** How long each outage is; half of it is before each, and at both ends. */
  readonly seconds: number
}

/** The events of one outage. */
interface OutageFigures {
  readonly outage: string
  readonly p99BeforeMs: Figure
  readonly p99DuringMs: Figure
  /** Outputs before it, until 5 s after its end, and from then on that lack their row. */
  readonly degraded: Readonly<Record<'before' | 'during' | 'later', Reasons>>
}

/** How many outputs lack their row, by reason. */
type Reasons = Readonly<Record<string, number>>

/** All events, by their outcome. */
export interface OutagesFigures extends Outcomes {
  readonly events: number
  readonly lost: number
  /** Dead letters that are not of the stream. */
  readonly strayLetters: number
  /** Writes that the filled Redis has refused. */
  readonly refusedWrites: number
  readonly outages: readonly OutageFigures[]
  readonly isRight: boolean
  /** Exit code or signal of the worker, after SIGTERM. */
  readonly exit: number | string
}

/** When an outage began and ended, and from when to when there was none. */
interface Span {
  readonly outage: string
  readonly fromMs: number
  readonly beginMs: number
  readonly endMs: number
  readonly untilMs: number
}

/** Measures outages. */
export async function measureOutages(
  stage: Stage,
  { rate, seconds }: OutagesOptions,
): Promise<OutagesFigures> {
  const redis = await launchRedis()
  const calmMs = seconds * 500
  const names = Object.keys(OUTAGES) as (keyof typeof OUTAGES)[]
  const totalMs = 2 * calmMs + names.length * (calmMs + seconds * 1_000 + RETURN_MS)
  const events = Math.round((rate * totalMs) / 1_000)
  const sentMs = new Float64Array(events)
  const arrivedMs = new Float64Array(events)
  const degraded = new Map<number, string>()
  const arrivals = new Arrivals(events, (payment, nowMs, output) => {
    arrivedMs[payment] = nowMs
    const reason = headerOf(output, 'tidemark-degraded')
    if (reason !== undefined) degraded.set(payment, reason)
  })
  const spans: Span[] = []
  let refusedWrites = 0
  const cause = async () => {
    await wallClock.sleep(calmMs)
    let fromMs = performance.now()
    for (const outage of names) {
      await wallClock.sleep(calmMs)
      const beginMs = performance.now()
      await OUTAGES[outage].begin(redis)
      await wallClock.sleep(seconds * 1_000)
      if (outage === 'filled') refusedWrites = await refusedBy(redis)
      await OUTAGES[outage].end(redis)
      const endMs = performance.now()
      await wallClock.sleep(RETURN_MS)
      const span = { outage, fromMs, beginMs, endMs }
      fromMs = performance.now()
      spans.push({ ...span, untilMs: fromMs + calmMs })
    }
  }
  try {
    const worker = stage.startWorker(['--redis', ...redis.urls])
    await worker.during(worker.ready())
    const producing = produceAtPace(stage, { rate, sentMs })
    await worker.during(Promise.all([cause(), producing, arrivals.follow(stage)]))
    const exit = await worker.stop()
    const { outputs, deadLetters, repeated } = arrivals.outcomes
    const lost = events - outputs - deadLetters
    const { strayLetters } = arrivals
    const figures = spans.map((span) => outageFigures(span, { sentMs, arrivedMs, degraded }))
    const isRight =
      lost + repeated + strayLetters === 0 &&
      figures.every(({ degraded: { before, later } }) => isEmpty(before) && isEmpty(later))
    return {
      ...{ events, lost, strayLetters, outputs, deadLetters, repeated },
      ...{ refusedWrites, outages: figures, isRight, exit },
    }
  } finally {
    await redis.stop()
  }
}

interface Seen {
  readonly sentMs: Float64Array
  /** 0: there is no output. */
  readonly arrivedMs: Float64Array
  /** By payment, why. */
  readonly degraded: ReadonlyMap<number, string>
}

function outageFigures(
  { outage, fromMs, beginMs, endMs, untilMs }: Span,
  { sentMs, arrivedMs, degraded }: Seen,
): OutageFigures {
  const p99Of = (from: number, until: number) => {
    const latencies: number[] = []
    arrivedMs.forEach((atMs, payment) => {
      const sent = sentMs[payment] as number
      if (atMs > 0 && sent >= from && sent < until) latencies.push(atMs - sent)
    })
    return percentiles(latencies).p99
  }
  const degradedIn = (from: number, until: number) => {
    const reasons: Record<string, number> = {}
    for (const [payment, reason] of degraded) {
      const atMs = arrivedMs[payment] as number
      if (atMs >= from && atMs < until) reasons[reason] = (reasons[reason] ?? 0) + 1
    }
    return reasons
  }
  return {
    outage,
    p99BeforeMs: p99Of(fromMs, beginMs),
    p99DuringMs: p99Of(beginMs, endMs),
    degraded: {
      before: degradedIn(fromMs, beginMs),
      during: degradedIn(beginMs, endMs + RETURN_MS),
      later: degradedIn(endMs + RETURN_MS, untilMs),
    },
  }
}

function isEmpty(reasons: Reasons): boolean {
  return Object.keys(reasons).length === 0
}

async function refusedBy(redis: RedisService): Promise<number> {
  const [, count] = /errorstat_OOM:count=(\d+)/.exec(await redis.cli('INFO', 'errorstats')) ?? []
  return Number(count ?? 0)
}
