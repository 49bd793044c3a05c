import type { GivenAnswer, GivenBody } from '../chaos/asked-answers.ts'
import type { CardFraud } from './card-fraud.ts'

// Payments that workers of card-fraud are asked about.

/** Event time ahead of all that was sent. */
const AHEAD_MS = 300_000

/** For each partition, a payment of a card that has some. */
export function perPartition({ sent }: CardFraud): readonly { key: string; value: string }[] {
  const last = new Map(sent.map((line) => [line.partition, line]))
  const newestMs = Math.max(
    ...sent.map(({ value }) => Number(/"paidAt":(\d+)/.exec(value)?.[1] ?? 0)),
  )
  return [...last.values()].map(({ key }, i) => {
    const merchant = { merchantId: 'm-0001', category: 'fuel', country: 'DE' }
    const payment = { paymentId: `asked-${i}`, cardId: key, ...merchant, amount: 12.5 }
    return { key, value: JSON.stringify({ ...payment, paidAt: newestMs + AHEAD_MS }) }
  })
}

interface Got extends GivenAnswer {
  readonly status: number
  readonly retryAfter: string | null
}

/** Asks about all payments at the same time. */
export function askAll(
  url: string,
  events: readonly { readonly key: string; readonly value: string }[],
): Promise<readonly Got[]> {
  return Promise.all(
    events.map(async ({ key, value }) => {
      const headers = { 'tidemark-key': key }
      const to = `${url}/predict/card-fraud`
      const answer = await fetch(to, { method: 'POST', body: value, headers })
      const body = (await answer.json()) as GivenBody
      return {
        key,
        value,
        body,
        status: answer.status,
        retryAfter: answer.headers.get('retry-after'),
      }
    }),
  )
}
