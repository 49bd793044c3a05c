import { expect, test } from 'vitest'
import { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import cardMinutes from '../../topologies/card-minutes.ts'
import { paymentRecords } from '../bench/input.ts'
import { exactSum } from '../engine/oracle/exact.ts'
import { headerOf } from '../support/headers.ts'
import { prepare, startWorker } from '../support/in-process.ts'

// card-minutes over the invented payments, against a recomputation that shares nothing with the
// engine. With TIDEMARK_TEST_EVENTS=1000000 it is the whole stream; without, its first 5,000.

const EVENTS = Number(process.env['TIDEMARK_TEST_EVENTS'] ?? 5_000)
const PARTITIONS = 6
const MINUTE_MS = 60_000
const LAG_MS = 30_000
const PIECE = 50_000

interface Payment {
  readonly cardId: string
  readonly merchantId: string
  readonly amount: number
  readonly paidAt: number
}

interface Minute {
  readonly key: string
  readonly endMs: number
  readonly payments: Payment[]
}

/** The results that one partition must give, as text, in order. */
class Naive {
  readonly results: string[] = []
  readonly ids: string[] = []
  late = 0
  #open = new Map<string, Minute>()
  #newestMs = Number.NEGATIVE_INFINITY
  #nextEndMs = Number.POSITIVE_INFINITY
  readonly #partition: number

  constructor(partition: number) {
    this.#partition = partition
  }

  take(value: Buffer): void {
    const payment = paymentOf(String(value))
    if (payment === null) return
    this.#newestMs = Math.max(this.#newestMs, payment.paidAt)
    const watermarkMs = this.#newestMs - LAG_MS
    this.closeUpTo(watermarkMs)
    const startMs = payment.paidAt - (payment.paidAt % MINUTE_MS)
    const endMs = startMs + MINUTE_MS
    if (endMs <= watermarkMs) {
      this.late++
      return
    }
    const name = `${payment.cardId} ${endMs}`
    const open = this.#open.get(name)
    if (open === undefined)
      this.#open.set(name, { key: payment.cardId, endMs, payments: [payment] })
    else open.payments.push(payment)
    this.#nextEndMs = Math.min(this.#nextEndMs, endMs)
  }

  closeUpTo(watermarkMs: number): void {
    if (this.#nextEndMs > watermarkMs) return
    const all = [...this.#open.values()]
    const closed = all.filter((m) => m.endMs <= watermarkMs)
    const open = all.filter((m) => m.endMs > watermarkMs)
    this.#open = new Map(open.map((m) => [`${m.key} ${m.endMs}`, m]))
    this.#nextEndMs = open.reduce((ms, m) => Math.min(ms, m.endMs), Number.POSITIVE_INFINITY)
    closed.sort((a, b) => a.endMs - b.endMs || (a.key < b.key ? -1 : 1))
    for (const { key, endMs, payments } of closed) {
      const windowStartMs = endMs - MINUTE_MS
      const result = {
        key,
        windowStartMs,
        windowEndMs: endMs,
        payments: payments.length,
        spent: exactSum(payments.map((p) => p.amount)),
        largest: Math.max(...payments.map((p) => p.amount)),
        merchants: new Set(payments.map((p) => p.merchantId)).size,
      }
      this.results.push(JSON.stringify(result))
      this.ids.push(`payments/${this.#partition}/card-minutes/${key}/${windowStartMs}`)
    }
  }
}

function paymentOf(text: string): Payment | null {
  try {
    const payment = JSON.parse(text) as Payment
    const isWhole = typeof payment.amount === 'number' && typeof payment.merchantId === 'string'
    return isWhole ? payment : null
  } catch {
    return null
  }
}

test(`the finals of ${EVENTS} payments equal a recomputation, each once, in order`, {
  timeout: 600_000,
}, async () => {
  const prepared = await prepare([cardMinutes])
  const records = new MemoryRecords()
  for (const topic of ['payments', 'card-minutes', 'payments.dlq']) {
    records.createTopic(topic, { partitions: PARTITIONS })
  }
  const naive = Array.from({ length: PARTITIONS }, (_, partition) => new Naive(partition))
  const outcomes = { windowed: 0, late: 0, dead: 0 }
  const worker = startWorker({
    prepared,
    records,
    group: 'minutes',
    observer: (event) => {
      if (event.type !== 'processed') return
      outcomes.windowed += event.outcomes.windowed
      outcomes.late += event.outcomes.late
      outcomes.dead += event.outcomes.dead
    },
  })
  const input = paymentRecords('payments', EVENTS)
  for (let n = 0; n < EVENTS; n += PIECE) {
    const piece = input.next(Math.min(PIECE, EVENTS - n))
    const positions = records.produce(piece)
    for (const [i, { partition }] of positions.entries()) {
      naive[partition]?.take(piece[i]?.value as Buffer)
    }
    await records.settled('minutes', 'payments')
  }
  await worker.closeWindows()
  await worker.stop()
  await prepared.close()
  let finals = 0
  for (const [partition, oracle] of naive.entries()) {
    oracle.closeUpTo(Number.POSITIVE_INFINITY)
    // The output's partition is its key's, which is the input's too.
    const outputs = records.read('card-minutes', partition)
    expect(outputs.length).toBe(oracle.results.length)
    const odd = outputs.findIndex(
      (o, i) =>
        String(o.value) !== oracle.results[i] || headerOf(o, 'tidemark-id') !== oracle.ids[i],
    )
    expect(odd === -1 ? null : [String(outputs[odd]?.value), oracle.results[odd]]).toBeNull()
    expect(new Set(oracle.ids).size).toBe(oracle.ids.length)
    finals += outputs.length
  }
  const late = naive.reduce((n, o) => n + o.late, 0)
  expect(outcomes.late).toBe(late)
  expect(outcomes.windowed + outcomes.late + outcomes.dead).toBe(EVENTS)
  expect(finals).toBeGreaterThan(EVENTS / 2)
  console.info(`${finals} finals of ${EVENTS} payments, ${late} late`)
})
