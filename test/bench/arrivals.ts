import { say } from '../../src/cli/print.ts'
import { showProgress } from '../../src/cli/progress.ts'
import type { KafkaReader } from '../../src/records/kafka/reader.ts'
import type { LogRecord } from '../../src/records/port.ts'
import { placeOf } from '../golden/answers.ts'
import type { Stage } from './stage.ts'

// Reads the outcomes under read_committed.

/**
 * The run ends after this time without an outcome: longer than a worker on a busy machine takes to
 * its first.
 */
const SILENCE_MS = 60_000

const PAYMENT = /"paymentId":"p-(\d+)"/

/** How many payments have which outcome; repeated ones count once. */
export interface Outcomes {
  readonly outputs: number
  readonly deadLetters: number
  /** Number of outcomes that repeat an earlier one. */
  readonly repeated: number
}

/** Collects the outcomes of the first payments of the stream, by id. */
export class Arrivals {
  /** Resolves when every payment has an outcome, or when no more outcomes arrive. */
  readonly all: Promise<void>
  readonly #events: number
  /** 1 at the number of each payment that has an output. */
  readonly #seen: Uint8Array
  readonly #letters = new Set<string>()
  readonly #silence: NodeJS.Timeout
  readonly #seeOutput: (payment: number, nowMs: number) => void
  #outputs = 0
  #repeated = 0
  #isOver = false
  #end: () => void = () => {}

  /** `seeOutput` is called for the first output of each payment, with its number in the stream. */
  constructor(events: number, seeOutput: (payment: number, nowMs: number) => void = () => {}) {
    this.#events = events
    this.#seen = new Uint8Array(events)
    this.#seeOutput = seeOutput
    this.all = new Promise((resolve) => {
      this.#end = () => {
        this.#isOver = true
        resolve()
      }
    })
    this.#silence = setTimeout(() => {
      say(`no outcome for ${SILENCE_MS / 1_000} s: the run ends here`)
      this.#end()
    }, SILENCE_MS)
  }

  /** Whether {@link all} has resolved. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** The outcomes so far. */
  get outcomes(): Outcomes {
    return {
      outputs: this.#outputs,
      deadLetters: this.#letters.size,
      repeated: this.#repeated,
    }
  }

  /** Reads both topics from their start until all have arrived. */
  async follow({ records, topics }: Stage): Promise<void> {
    const read = (topic: string) => records.read({ topic, from: 'earliest', until: 'closed' })
    const predictions = await read(topics.predictions)
    const deadLetters = await read(topics.deadLetters)
    const endProgress = showProgress(() => this.#outputs)
    try {
      await Promise.all([
        this.#take(predictions, (record, nowMs) => this.#output(record, nowMs)),
        this.#take(deadLetters, (record) => this.#letter(record)),
        this.all.then(() => Promise.all([predictions.close(), deadLetters.close()])),
      ])
    } finally {
      endProgress()
    }
  }

  async #take(reader: KafkaReader, see: (record: LogRecord, nowMs: number) => void): Promise<void> {
    for await (const { records } of reader) {
      const nowMs = performance.now()
      for (const record of records) see(record, nowMs)
      this.#silence.refresh()
      if (this.#outputs + this.#letters.size < this.#events) continue
      clearTimeout(this.#silence)
      this.#end()
    }
  }

  #output({ value }: LogRecord, nowMs: number): void {
    // Payments are numbered in the order of their stream. A bare copy may be truncated.
    const [, number] = PAYMENT.exec(String(value)) ?? []
    if (number === undefined) throw new Error(`an output without a payment: ${String(value)}`)
    const payment = Number(number)
    if (this.#seen[payment] === 1) {
      this.#repeated++
      return
    }
    this.#seen[payment] = 1
    this.#outputs++
    this.#seeOutput(payment, nowMs)
  }

  #letter(record: LogRecord): void {
    const { partition, offset } = placeOf(record)
    const place = `${partition}@${offset}`
    if (this.#letters.has(place)) this.#repeated++
    this.#letters.add(place)
  }
}
