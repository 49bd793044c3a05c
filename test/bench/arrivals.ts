import { say } from '../../src/cli/print.ts'
import { showProgress } from '../../src/cli/progress.ts'
import type { KafkaReader } from '../../src/connect/kafka/reader.ts'
import type { LogRecord } from '../../src/connect/port.ts'
import { placeOf } from '../golden/answers.ts'
import { headerOf } from '../support/headers.ts'
import type { Stage } from './stage.ts'

// Reads the outcomes under read_committed.

/**
 * The run ends after this time without an outcome: longer than a worker on a busy machine takes to
 * its first.
 */
const SILENCE_MS = 60_000

const PAYMENT = /"paymentId":"p-(\d+)"/

const EXPECTED_CODES = ['LATE', 'JSON_INVALID', 'SCHEMA_INVALID']

/** How many payments have which outcome; repeated ones count once. */
export interface Outcomes {
  readonly outputs: number
  readonly deadLetters: number
  /** Number of outcomes that repeat an earlier one. */
  readonly repeated: number
}

type SeeOutput = (payment: number, nowMs: number, output: LogRecord) => void

/** Collects the outcomes of the first payments of the stream, by id. */
export class Arrivals {
  /** Resolves when every payment has an outcome, or when no more outcomes arrive. */
  readonly all: Promise<void>
  readonly #events: number
  /** 1 at the number of each payment that has an output. */
  readonly #seen: Uint8Array
  /** The codes of dead letters, by place. */
  readonly #letters = new Map<string, string>()
  readonly #silence: NodeJS.Timeout
  readonly #seeOutput: SeeOutput
  #outputs = 0
  #repeated = 0
  #isOver = false
  #end: () => void = () => {}

  /** `seeOutput` is called for the first output of each payment, with its number in the stream. */
  constructor(events: number, seeOutput: SeeOutput = () => {}) {
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

  /** Dead letters of payments that are neither late nor spoilt: the stream has none. */
  get strayLetters(): number {
    return [...this.#letters.values()].filter((code) => !EXPECTED_CODES.includes(code)).length
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

  #output(record: LogRecord, nowMs: number): void {
    // Payments are numbered in the order of their stream. A bare copy may be truncated.
    const text = String(record.value)
    const [, number] = PAYMENT.exec(text) ?? []
    if (number === undefined) throw new Error(`an output without a payment: ${text}`)
    const payment = Number(number)
    if (this.#seen[payment] === 1) {
      this.#repeated++
      return
    }
    this.#seen[payment] = 1
    this.#outputs++
    this.#seeOutput(payment, nowMs, record)
  }

  #letter(record: LogRecord): void {
    const { partition, offset } = placeOf(record)
    const place = `${partition}@${offset}`
    if (this.#letters.has(place)) this.#repeated++
    else this.#letters.set(place, headerOf(record, 'tidemark.code') ?? '')
  }
}
