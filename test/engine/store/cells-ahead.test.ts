import * as fc from 'fast-check'
import { defineTopology, minutes, onnxModel } from 'tidemark'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { ListedRecords } from '../../../src/connect/log-records.ts'
import { atOnce, Slices } from '../../../src/kernel/slices.ts'
import { RecordDecoder } from '../../../src/runtime/partition/record-decoder.ts'
import { jsonFormatOf } from '../../support/format.ts'
import { runs } from '../../support/runs.ts'
import { batchOf } from '../batch.ts'
import { engineFor } from '../engine-for.ts'
import { type Whole, whole } from '../whole.ts'

// Columns that are read ahead of the windows, held against events that are objects.

const START_MS = 1_767_225_600_000
const CHUNK = 7
const UNCUT = new Slices(() => 0)

const Sale = z.object({
  card: z.string(),
  at: z.int(),
  amount: z.number(),
  shop: z.string(),
  refund: z.boolean(),
})

const topology = defineTopology('sales', (t) =>
  t
    .source('sales', {
      schema: Sale,
      key: (s) => s.card,
      eventTimeMs: (s) => s.at,
      watermark: { lag: minutes(1), maxAhead: 'none' },
      onLate: 'dead-letter',
    })
    .features((f) => {
      const sales = f.events({
        amount: (s) => s.amount,
        shop: (s) => s.shop,
        refund: (s) => s.refund,
      })
      const window = sales.rolling(minutes(5))
      return {
        count: window.count(),
        sum: window.sum('amount'),
        shops: window.distinct('shop'),
        refunds: window.countWhere('refund'),
      }
    })
    .score(
      onnxModel({
        ...{ name: 'm', version: '1', file: new URL('file:///m.onnx'), sha256: '', input: 'x' },
        features: ['count', 'sum', 'shops', 'refunds'],
        outputs: { p: { tensor: 'p', column: 0 } },
      }),
    )
    .sink('scores'),
)

type Sale = z.infer<typeof Sale>

/** A record of a sale, which a scanner takes or not. */
interface Written {
  readonly sale: Sale
  readonly text: string
}

const sales: fc.Arbitrary<readonly Written[]> = fc
  .array(
    fc.record({
      card: fc.constantFrom('a', 'b', 'c'),
      aheadMs: fc.integer({ min: -90_000, max: 120_000 }),
      amount: fc.oneof(
        { weight: 8, arbitrary: fc.integer({ min: -500, max: 500 }).map((n) => n / 4) },
        // Values that no float32 holds enter no window.
        { weight: 1, arbitrary: fc.constant(1e39) },
      ),
      shop: fc.constantFrom('x', 'y', 'Zürich', ''),
      refund: fc.boolean(),
      isEscaped: fc.boolean(),
    }),
    { minLength: 1, maxLength: 60 },
  )
  .map((all) => {
    let atMs = START_MS
    return all.map(({ aheadMs, isEscaped, ...rest }) => {
      const sale = { ...rest, at: atMs + aheadMs }
      atMs = Math.max(atMs, sale.at)
      const text = JSON.stringify(sale)
      return { sale, text: isEscaped ? text.replace('"card":"', '"card":"\\u0061') : text }
    })
  })

test('events that are read ahead come to the same as events that are objects', () => {
  fc.assert(
    fc.property(sales, (all) => {
      const [ahead, called] = [new Scanning(), engineFor(topology, { lookup })]
      for (let from = 0; from < all.length; from += CHUNK) {
        const chunk = all.slice(from, from + CHUNK)
        const events = chunk.map(({ text }) => JSON.parse(text) as Sale)
        const given = events.map((event) => ({ key: event.card, timeMs: event.at, event }))
        const wanted = whole(called.process(batchOf(called, given)))
        expect(told(ahead.take(chunk))).toEqual(told(wanted))
      }
    }),
    { numRuns: runs(200) },
  )
})

function lookup(): never {
  throw new Error('there is no table')
}

class Scanning {
  readonly #format = jsonFormatOf(topology)
  readonly #engine = engineFor(topology, { lookup, reader: this.#format.reader })
  readonly #decoder = new RecordDecoder(topology.source, this.#format, {
    from: { topic: 'events', partition: 0 },
    partitions: null,
    keyNumbers: this.#engine.keyNumbers,
  })

  take(chunk: readonly Written[]): Whole {
    const records = chunk.map(({ text }, offset) => ({
      ...{ offset, timestampMs: -1, key: Buffer.from('k'), headers: [] },
      // A scanner takes no record that ends where its memory ends.
      value: Buffer.from(`${text}        `).subarray(0, Buffer.byteLength(text)),
    }))
    return whole(
      this.#engine.process(atOnce(this.#decoder.decode(new ListedRecords(records), UNCUT)).batch),
    )
  }
}

function told({ arrivals, faults, late }: Whole) {
  const rows = arrivals.map(({ indices, rows: bits }) => [indices, [...bits]])
  return { rows, faults: faults.map(({ of, error }) => [of, error.code, error.message]), late }
}
