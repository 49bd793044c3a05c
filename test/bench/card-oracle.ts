import { partitionOf } from '../../src/connect/memory/log.ts'

// Computes the features of the card topology naively: for each payment it scans all earlier ones of
// its card. It shares no code with the engine. Amounts have two decimals, so in cents every sum is
// an exact integer in any order.

const PARTITIONS = 6
const LAG_MS = 30_000
const FIVE_MINUTES_MS = 300_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

/** Number of features of a row. */
export const WIDTH = 13

/** A payment as its producer wrote it. */
export interface Payment {
  readonly paymentId: string
  readonly cardId: string
  readonly merchantId: string
  readonly category: string
  readonly country: string
  readonly amount: number
  readonly paidAt: number
}

/** The outcome of one line. */
export type Answer =
  | { readonly outcome: 'late' | 'malformed' }
  | { readonly outcome: 'scored'; readonly payment: Payment; readonly row: readonly number[] }

type Entered =
  | Exclude<Answer, { readonly outcome: 'scored' }>
  | { readonly outcome: 'scored'; readonly card: readonly Payment[]; readonly at: number }

/** Computes the outcome of each line, in log order. */
export class CardOracle {
  readonly #newestMs = new Array<number>(PARTITIONS).fill(-Infinity)
  /** Payments of each card that are not late, by event time; equal times in log order. */
  readonly #byCard = new Map<string, Payment[]>()

  take(key: Buffer, value: Buffer): Answer {
    const entered = this.enter(key, value)
    if (entered.outcome !== 'scored') return entered
    const { card, at } = entered
    return { outcome: 'scored', payment: card[at] as Payment, row: rowOf(card, at) }
  }

  /** Takes a line without its features. */
  enter(key: Buffer, value: Buffer): Entered {
    const payment = parse(value.toString('utf8'))
    if (payment === null) return { outcome: 'malformed' }
    const partition = partitionOf({ partition: null, key }, PARTITIONS)
    const newestMs = this.#newestMs[partition] as number
    if (payment.paidAt < newestMs - LAG_MS) return { outcome: 'late' }
    this.#newestMs[partition] = Math.max(newestMs, payment.paidAt)
    const card = this.#byCard.get(payment.cardId) ?? []
    this.#byCard.set(payment.cardId, card)
    let at = card.length
    while (at > 0 && (card[at - 1] as Payment).paidAt > payment.paidAt) at--
    card.splice(at, 0, payment)
    return { outcome: 'scored', card, at }
  }

  /** The outcome of a line if it were the next. */
  preview(key: Buffer, value: Buffer): Answer {
    const newestMs = [...this.#newestMs]
    const answer = this.take(key, value)
    if (answer.outcome !== 'scored') return answer
    const { payment } = answer
    const card = this.#byCard.get(payment.cardId) ?? []
    card.splice(card.indexOf(payment), 1)
    newestMs.forEach((ms, partition) => {
      this.#newestMs[partition] = ms
    })
    return answer
  }

  watermarkMsOf(partition: number): number {
    return (this.#newestMs[partition] as number) - LAG_MS
  }
}

function rowOf(card: readonly Payment[], at: number): number[] {
  const { amount, paidAt } = card[at] as Payment
  const previous = card[at - 1]
  const day = windowOf(card, at, DAY_MS)
  const hour = day.filter((p) => p.paidAt > paidAt - HOUR_MS)
  const fiveMinutes = hour.filter((p) => p.paidAt > paidAt - FIVE_MINUTES_MS)
  const sinceMs = previous === undefined ? 0 : Math.min(paidAt - previous.paidAt, DAY_MS)
  return [
    amount,
    sinceMs / 1_000,
    fiveMinutes.length,
    sumOf(fiveMinutes) / 100,
    sumOf(fiveMinutes) / 100 / fiveMinutes.length,
    new Set(fiveMinutes.map((p) => p.category)).size,
    hour.length,
    sumOf(hour) / 100,
    Math.max(...hour.map((p) => p.amount)),
    new Set(hour.map((p) => p.merchantId)).size,
    day.length,
    sumOf(day) / 100,
    deviationOf(day),
  ]
}

/** The payments up to the one at `at` that are in its window, in event time. */
function windowOf(card: readonly Payment[], at: number, lengthMs: number): Payment[] {
  const afterMs = (card[at] as Payment).paidAt - lengthMs
  let from = at
  while (from > 0 && (card[from - 1] as Payment).paidAt > afterMs) from--
  return card.slice(from, at + 1)
}

function centsOf(payment: Payment): number {
  return Math.round(payment.amount * 100)
}

function sumOf(window: readonly Payment[]): number {
  return window.reduce((sum, p) => sum + centsOf(p), 0)
}

/**
 * The population standard deviation: √(n Σx² − (Σx)²) / n. The difference is exact, by BigInt,
 * because it exceeds the integers that a float64 can represent.
 */
function deviationOf(window: readonly Payment[]): number {
  const squares = window.reduce((sum, p) => sum + centsOf(p) ** 2, 0)
  const spread = BigInt(window.length) * BigInt(squares) - BigInt(sumOf(window)) ** 2n
  return Math.sqrt(Number(spread)) / window.length / 100
}

function parse(text: string): Payment | null {
  try {
    const payment = JSON.parse(text) as Payment
    const { paymentId, cardId, merchantId, category, country, amount, paidAt } = payment
    const texts = [paymentId, cardId, merchantId, category, country]
    const isPayment =
      texts.every((t) => typeof t === 'string') &&
      typeof amount === 'number' &&
      Number.isSafeInteger(paidAt)
    return isPayment ? payment : null
  } catch {
    return null
  }
}
