import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import type { Outcomes } from '../../src/runtime/events.ts'
import { exactSum } from '../engine/oracle/exact.ts'

// Minutes that card-minutes and card-activity must tell, found by looking through all payments of
// a partition, and lines to run them on.

/** The time of every record: after all events, so that the future guard lets them pass. */
export const RECORD_TIME_MS = Date.UTC(2027, 0, 1)
const MINUTE_MS = 60_000
const LAG_MS = 30_000

export interface Line {
  readonly key: string
  readonly value: string
  readonly timestampMs: number
}

interface Payment {
  readonly cardId: string
  readonly merchantId: string
  readonly amount: number
  readonly paidAt: number
}

/** A minute in which a card paid. */
export interface Minute {
  readonly partition: number
  readonly card: string
  readonly startMs: number
  readonly payments: number
  readonly spent: number
  readonly largest: number
  readonly merchants: number
}

const CLOSING = Array.from({ length: 12 }, (_, n) => `closing-${n}`)

/**
 * The lines of a file of `key<TAB>json`, and payments of cards of their own that close all minutes,
 * whatever the partitions.
 */
function linesOf(file: string): Line[] {
  const lines = readFileSync(new URL(file, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
  return [...lines.map(lineOf), ...CLOSING.map((card) => paymentLine(card, RECORD_TIME_MS))]
}

function lineOf(text: string): Line {
  const tab = text.indexOf('\t')
  return { key: text.slice(0, tab), value: text.slice(tab + 1), timestampMs: RECORD_TIME_MS }
}

export function paymentLine(cardId: string, paidAt: number): Line {
  const others = { paymentId: cardId, category: 'games', country: 'PT' }
  const value = JSON.stringify({ ...others, cardId, merchantId: 'm', amount: 1, paidAt })
  return { key: cardId, value, timestampMs: RECORD_TIME_MS }
}

export const SAMPLE = linesOf('../../topologies/samples/payments.tsv')
export const DAY = linesOf('../golden/card-28h/input.tsv')

/**
 * Nothing is missing: every payment is in a minute, late or dead; only what closed the last minutes
 * is in none.
 */
export function expectAllCounted(
  lines: readonly Line[],
  minutes: readonly Minute[],
  { windowed, late, dead }: Outcomes,
): void {
  const counted = minutes.reduce((sum, m) => sum + m.payments, 0)
  expect(windowed + late + dead).toBe(lines.length)
  expect(counted).toBe(windowed - CLOSING.length)
}

/**
 * Minutes that have closed by the end of the lines, with what entered them in time.
 * `partitionOf[n]`: where line n stands.
 */
export function minutesOf(
  lines: readonly Line[],
  partitionOf: readonly number[],
  graceMs: number,
): Minute[] {
  return [...new Set(partitionOf)].flatMap((partition) => {
    const payments = lines
      .filter((_, n) => partitionOf[n] === partition)
      .flatMap(({ value }) => paymentOf(value) ?? [])
    const minutes = new Map<string, Payment[]>()
    let watermarkMs = Number.NEGATIVE_INFINITY
    const isClosed = (startMs: number) => startMs + MINUTE_MS + graceMs <= watermarkMs
    for (const payment of payments) {
      watermarkMs = Math.max(watermarkMs, payment.paidAt - LAG_MS)
      const startMs = payment.paidAt - (payment.paidAt % MINUTE_MS)
      if (isClosed(startMs)) continue
      const id = `${payment.cardId}/${startMs}`
      minutes.set(id, [...(minutes.get(id) ?? []), payment])
    }
    const told = [...minutes].map(([id, paid]) => minuteOf(id, paid, partition))
    return told.filter(({ startMs }) => isClosed(startMs))
  })
}

function minuteOf(id: string, paid: readonly Payment[], partition: number): Minute {
  const [card, startMs] = id.split('/') as [string, string]
  const amounts = paid.map((p) => p.amount)
  return {
    partition,
    card,
    startMs: Number(startMs),
    payments: paid.length,
    spent: exactSum(amounts),
    largest: Math.max(...amounts),
    merchants: new Set(paid.map((p) => p.merchantId)).size,
  }
}

/** The features of a minute as float32, from it and the same card's earlier ones. */
export function featuresOf(minute: Minute, all: readonly Minute[]): Record<string, number> {
  const { card, startMs } = minute
  // Each stands at the end of its minute, and whole minutes lie between ends: the last hour is 60
  // of them with this one.
  const last = (minutes: number) =>
    all.filter(
      (m) => m.card === card && m.startMs <= startMs && m.startMs > startMs - minutes * MINUTE_MS,
    )
  const tenMinutes = last(10)
  const hour = last(60)
  const earlier = all.filter((m) => m.card === card && m.startMs < startMs).map((m) => m.startMs)
  const features = {
    payments: minute.payments,
    spent: minute.spent,
    largest: minute.largest,
    merchants: minute.merchants,
    secondsSinceActive: Math.min(3_600, (startMs - Math.max(...earlier)) / 1_000),
    minutesActive10m: tenMinutes.length,
    payments10m: exactSum(tenMinutes.map((m) => m.payments)),
    minutesActive1h: hour.length,
    payments1h: exactSum(hour.map((m) => m.payments)),
    spent1h: exactSum(hour.map((m) => m.spent)),
    busiestMinute1h: Math.max(...hour.map((m) => m.payments)),
  }
  return Object.fromEntries(Object.entries(features).map(([k, v]) => [k, Math.fround(v)]))
}

function paymentOf(json: string): Payment | null {
  try {
    const { cardId, merchantId, amount, paidAt } = JSON.parse(json) as Partial<Payment>
    const isOne = typeof merchantId === 'string' && typeof amount === 'number'
    return isOne ? ({ cardId, merchantId, amount, paidAt } as Payment) : null
  } catch {
    return null
  }
}
