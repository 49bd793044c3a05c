import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { defineTopology, hours, minutes, seconds, topic } from 'tidemark'
import { z } from 'zod'
import type { Definition } from '../../src/topology/definition.ts'
import flightDelay from '../../topologies/flight-delay.ts'
import { Payment } from '../../topologies/payment.ts'
import { paymentFeatures } from '../../topologies/payment-features.ts'
import { paymentLines } from '../bench/payments.ts'
import { cardGbdt } from '../fixtures/models/card-gbdt.model.ts'
import { withFeatures } from '../golden/with-features.ts'
import { ROOT } from '../support/paths.ts'
import type { Sent } from './asked-first.ts'

/** The topics of {@link askedPayments}. */
export const PAYMENTS = ['payments', 'predictions', 'payments.dlq', 'merchants']
/** The topics of {@link askedFlights}. */
export const FLIGHTS = ['flights', 'flight-predictions', 'flights.dlq', 'planes']

const Merchant = z.object({ limit: z.number() })

/** The measured workload, with all that an answer has in its outputs, and a table that changes. */
export const askedPayments = defineTopology('payments', (t) => {
  const merchants = t.table('merchants', { schema: Merchant, from: topic('merchants') })
  return t
    .source('payments', {
      schema: Payment,
      key: (p) => p.cardId,
      eventTimeMs: (p) => p.paidAt,
      watermark: { lag: seconds(10) },
      onLate: 'dead-letter',
    })
    .dedupe({ by: (p) => p.paymentId, within: minutes(10) })
    .features((f) => {
      const paid = f.events({})
      return {
        ...paymentFeatures(f),
        amount: paid.lookup(merchants, (p) => p.merchantId).value((m) => m.limit),
        secondsSincePrevious: paid.secondsSinceLastEver({ cap: hours(24), never: 0 }),
      }
    })
    .where((e) => e.amount < 100)
    .score(cardGbdt, { missing: 'nan' })
    .map(({ event, features, score, model, route }) => {
      return { id: event.paymentId, features, score, model, route }
    })
    .sink('predictions')
})

/** Payments, some twice and one that is none, and limits of merchants that change. */
export function* payments(count: number, cards: number): Generator<Sent> {
  let i = 0
  yield { key: 'c-1', value: '{"cardId":' }
  for (const line of paymentLines(count, 1)) {
    const [, value = ''] = line.split('\t')
    // Fewer cards have longer histories.
    const card = value.replace(/"cardId":"c-(\d+)"/, (_, digits) => {
      return `"cardId":"c-${Number(digits) % cards}"`
    })
    const key = /"cardId":"([^"]*)"/.exec(card)?.[1] ?? 'none'
    yield { key, value: card }
    const merchant = /"merchantId":"([^"]*)"/.exec(card)?.[1]
    if (i % 20 === 3 && merchant !== undefined) {
      yield { topic: 'merchants', key: merchant, value: JSON.stringify({ limit: i }) }
    }
    // Some come twice.
    if (i++ % 50 === 7) yield { key, value: card }
  }
}

/** The flights, with features in the outputs, and planes that change. */
export const askedFlights: Definition = {
  ...withFeatures(flightDelay),
  tables: flightDelay.tables.map((table) =>
    table.name === 'planes' ? { ...table, key: null, from: { topic: 'planes' } } : table,
  ),
}

/** Flights, some of which come after later ones, and planes with other seats from time to time. */
export function* flights(count: number): Generator<Sent> {
  const bytes = readFileSync(join(ROOT, 'topologies/samples/flights.ndjson.gz'))
  const lines = gunzipSync(bytes).toString().trimEnd().split('\n').slice(0, count)
  const held: Sent[] = []
  for (const [i, value] of lines.entries()) {
    const { carrierOrigin: key, tailnum } = JSON.parse(value) as Flight
    const flight = { key, value }
    if (i % 20 === 5) held.push(flight)
    else yield flight
    if (i % 50 === 9) yield* held.splice(0)
    if (i % 40 === 3 && tailnum !== null) {
      const plane = { tailnum, year: 2013 - (i % 30), seats: i % 300, manufacturer: 'BOEING' }
      yield { topic: 'planes', key: tailnum, value: JSON.stringify(plane) }
    }
  }
  yield* held
}

interface Flight {
  readonly carrierOrigin: string
  readonly tailnum: string | null
}
