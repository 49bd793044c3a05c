import { say } from '../../src/cli/print.ts'
import { Progress } from '../../src/cli/progress.ts'
import { wallClock } from '../../src/kernel/clock.ts'
import type { KafkaReader } from '../../src/records/kafka/reader.ts'
import { type Figure, figure, type Percentiles, percentiles } from './figures.ts'
import { paymentRecords } from './input.ts'
import type { Stage } from './stage.ts'

// Payments at an even pace to a worker that is running, and how long each takes to its prediction.

/** Without an output for so long, the run is over. */
const SILENCE_MS = 15_000

export interface LatencyOptions {
  /** Events a second. */
  readonly rate: number
  readonly seconds: number
}

export interface LatencyFigures {
  readonly events: number
  readonly outputs: number
  readonly deadLetters: number
  /** From just before the producer's send to the reader's receipt. */
  readonly latencyMs: Percentiles
  /** The latest that an event was sent after it was due: large when the producer did not keep the pace. */
  readonly producerBehindMs: Figure
  /** After SIGTERM. */
  readonly exit: number | string
}

/** Measures latency. */
export async function latency(stage: Stage, options: LatencyOptions): Promise<LatencyFigures> {
  const { records, topics } = stage
  const events = Math.round(options.rate * options.seconds)
  const sentMs = new Float64Array(events)
  const worker = stage.startWorker()
  await worker.during(worker.ready())
  // After the worker has its partitions: a broker that has just started does not answer every group at once.
  const read = (topic: string) => records.read({ topic, from: 'earliest', until: 'closed' })
  const predictions = await read(topics.predictions)
  const deadLetters = await read(topics.deadLetters)
  const arrivals = new Arrivals(sentMs)
  const [behindMs] = await worker.during(
    Promise.all([
      produce(stage, { rate: options.rate, sentMs }),
      arrivals.readPredictions(predictions),
      arrivals.readDeadLetters(deadLetters),
      arrivals.all.then(() => Promise.all([predictions.close(), deadLetters.close()])),
    ]),
  )
  const exit = await worker.stop()
  return {
    events,
    outputs: arrivals.outputs,
    deadLetters: arrivals.deadLetters,
    latencyMs: percentiles(arrivals.latenciesMs),
    producerBehindMs: figure(behindMs, 1),
    exit,
  }
}

interface Pace {
  /** Events a second. */
  readonly rate: number
  /** To be filled: when each event was sent. */
  readonly sentMs: Float64Array
}

/**
 * Sends each event when it is due, or with all that are due when the send before is acknowledged. The first is sent ahead
 * of the pace, since it opens the connection. The most that an event was behind, ms.
 */
async function produce({ records, topics }: Stage, { rate, sentMs }: Pace): Promise<number> {
  const writer = records.writer()
  const input = paymentRecords(topics.payments, sentMs.length)
  let sent = 0
  const sendUntil = async (due: number) => {
    const batch = input.next(due - sent)
    sentMs.fill(performance.now(), sent, due)
    await writer.send(batch)
    sent = due
  }
  await sendUntil(1)
  const startMs = performance.now()
  let behindMs = 0
  while (sent < sentMs.length) {
    const elapsedMs = performance.now() - startMs
    const due = Math.min(Math.floor((elapsedMs / 1_000) * rate), sentMs.length)
    if (due > sent) {
      behindMs = Math.max(behindMs, elapsedMs - (sent / rate) * 1_000)
      await sendUntil(due)
    } else await wallClock.sleep(1)
  }
  await writer.close()
  return behindMs
}

/** What has arrived at the other end. */
class Arrivals {
  /** Of all but the first event, which waits for the producer's connection. */
  readonly latenciesMs: number[] = []
  outputs = 0
  deadLetters = 0
  /** Resolves when every event has an output or a dead letter, or nothing comes any more. */
  readonly all: Promise<void>
  readonly #sentMs: Float64Array
  readonly #silence: NodeJS.Timeout
  #end: () => void = () => {}

  constructor(sentMs: Float64Array) {
    this.#sentMs = sentMs
    this.all = new Promise((resolve) => {
      this.#end = resolve
    })
    this.#silence = setTimeout(() => {
      say(`nothing for ${SILENCE_MS / 1_000} s: the run ends here`)
      this.#end()
    }, SILENCE_MS)
  }

  async readPredictions(reader: KafkaReader): Promise<void> {
    const events = this.#sentMs.length
    const progress = new Progress(() => ({ records: this.outputs, share: this.outputs / events }))
    try {
      for await (const { records } of reader) {
        const nowMs = performance.now()
        for (const { value } of records) {
          const { paymentId } = JSON.parse(String(value)) as { paymentId: string }
          const number = numberOf(paymentId)
          if (number > 0) this.latenciesMs.push(nowMs - (this.#sentMs[number] as number))
        }
        this.outputs += records.length
        this.#arrived()
      }
    } finally {
      progress.end()
    }
  }

  async readDeadLetters(reader: KafkaReader): Promise<void> {
    for await (const { records } of reader) {
      this.deadLetters += records.length
      this.#arrived()
    }
  }

  #arrived(): void {
    this.#silence.refresh()
    if (this.outputs + this.deadLetters < this.#sentMs.length) return
    clearTimeout(this.#silence)
    this.#end()
  }
}

/** Payments are numbered in the order of their stream. */
function numberOf(paymentId: string): number {
  return Number(paymentId.slice('p-'.length))
}
