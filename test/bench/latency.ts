import { Arrivals, type Outcomes } from './arrivals.ts'
import { type Figure, figure, type Percentiles, percentiles } from './figures.ts'
import { produceAtPace } from './pace.ts'
import type { Stage } from './stage.ts'

// Measures how long a payment takes to its prediction, under an even load of a running worker.

/** The load. */
export interface LatencyOptions {
  /** Events a second. */
  readonly rate: number
  readonly seconds: number
  /**
   * Measures a process that only copies the payments, without parsing, windows or a model.
   * @default measures a worker
   */
  readonly copy?: boolean
  /** More flags for the worker. */
  readonly flags: readonly string[]
}

/** The latency of a worker. */
export interface LatencyFigures extends Outcomes {
  readonly events: number
  /** From just before the producer's send to the reader's receipt. */
  readonly latencyMs: Percentiles
  /** The longest delay of a send: large if the producer could not keep the pace. */
  readonly producerBehindMs: Figure
  /** The resident size, the median in each tenth of the time. */
  readonly rssMb: readonly Figure[]
  /** Exit code or signal after SIGTERM. */
  readonly exit: number | string
}

const TENTHS = 10
/** How often in each of them the resident size is looked at. */
const LOOKS = 20

/** Measures latency. */
export async function latency(stage: Stage, options: LatencyOptions): Promise<LatencyFigures> {
  const events = Math.round(options.rate * options.seconds)
  const sentMs = new Float64Array(events)
  const latenciesMs: number[] = []
  const worker = options.copy === true ? stage.startCopy() : stage.startWorker(options.flags)
  // Joins before anything is read: a broker that has just started may not serve a group at once.
  await worker.during(worker.ready())
  const arrivals = new Arrivals(events, (payment, nowMs) => {
    // The first event waits for the producer's connection.
    if (payment > 0) latenciesMs.push(nowMs - (sentMs[payment] as number))
  })
  const rssBytes: number[] = []
  const see = () => rssBytes.push(worker.usage()?.rssBytes ?? Number.NaN)
  const seeing = setInterval(see, (options.seconds * 1_000) / (TENTHS * LOOKS))
  const [behindMs] = await worker.during(
    Promise.all([produceAtPace(stage, { rate: options.rate, sentMs }), arrivals.follow(stage)]),
  )
  clearInterval(seeing)
  const exit = await worker.stop()
  return {
    events,
    ...arrivals.outcomes,
    latencyMs: percentiles(latenciesMs),
    producerBehindMs: figure(behindMs, 1),
    rssMb: Array.from({ length: TENTHS }, (_, tenth) =>
      medianMb(rssBytes.slice(tenth * LOOKS, (tenth + 1) * LOOKS)),
    ),
    exit,
  }
}

function medianMb(bytes: readonly number[]): Figure {
  const sorted = bytes.toSorted((a, b) => a - b)
  return figure((sorted[sorted.length >> 1] ?? Number.NaN) / 1e6, 0)
}
