import { Arrivals, type Outcomes } from './arrivals.ts'
import type { BenchWorker } from './bench-worker.ts'
import { type Figure, figure, type Percentiles, percentiles } from './figures.ts'
import { produceAtPace } from './pace.ts'
import type { Stage } from './stage.ts'

// Measures how long a payment takes to its prediction, under an even load of a running worker.

export interface Load {
  /** Events a second. */
  readonly rate: number
  readonly seconds: number
}

export interface LatencyOptions extends Load {
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
}

/** The exit code or signal after SIGTERM. */
interface Ended {
  readonly exit: number | string
}

const TENTHS = 10
/** How often in each of them the resident size is looked at. */
const LOOKS = 20

/** Measures latency. */
export async function latency(
  stage: Stage,
  options: LatencyOptions,
): Promise<LatencyFigures & Ended> {
  const worker = options.copy === true ? stage.startCopy() : stage.startWorker(options.flags)
  const figures = await latencyOf(worker, stage, options)
  return { ...figures, exit: await worker.stop() }
}

/** Measures that of a worker that has been started, which goes on. */
export async function latencyOf(
  worker: BenchWorker,
  stage: Stage,
  { rate, seconds }: Load,
): Promise<LatencyFigures> {
  const events = Math.round(rate * seconds)
  const sentMs = new Float64Array(events)
  const latenciesMs: number[] = []
  // Joins before anything is read: a broker that has just started may not serve a group at once.
  await worker.during(worker.ready())
  const arrivals = new Arrivals(events, (payment, nowMs) => {
    // The first event waits for the producer's connection.
    if (payment > 0) latenciesMs.push(nowMs - (sentMs[payment] as number))
  })
  const rssMb: number[] = []
  const see = () => rssMb.push((worker.usage()?.rssBytes ?? Number.NaN) / 1e6)
  const seeing = setInterval(see, (seconds * 1_000) / (TENTHS * LOOKS))
  const [behindMs] = await worker.during(
    Promise.all([produceAtPace(stage, { rate, sentMs }), arrivals.follow(stage)]),
  )
  clearInterval(seeing)
  return {
    events,
    ...arrivals.outcomes,
    latencyMs: percentiles(latenciesMs),
    producerBehindMs: figure(behindMs, 1),
    rssMb: Array.from({ length: TENTHS }, (_, tenth) => {
      const looks = rssMb.slice(tenth * LOOKS, (tenth + 1) * LOOKS)
      return percentiles(looks).p50
    }),
  }
}
