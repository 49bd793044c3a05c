import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { MOST_METADATA_BYTES } from '../../../src/connect/port.ts'
import { LATEST_EVENT_TIME_MS } from '../../../src/kernel/time.ts'
import {
  type ChosenVariants,
  decodeMetadata,
  encodeMetadata,
  mostMetadataBytes,
} from '../../../src/runtime/commit/checkpoint-metadata.ts'

/** Names of 100 characters, for as many topologies as a worker runs on one source. */
const names = Array.from({ length: 16 }, (_, i) => String(i).padStart(100, 'n'))

const NO_VARIANTS: ChosenVariants = new Map()

/** One topology's, whose numbers are as long as they come. */
const longest = {
  fingerprint: '0123456789ab',
  from: {
    offset: Number.MAX_SAFE_INTEGER,
    newestMs: LATEST_EVENT_TIME_MS - 1,
    idleMs: LATEST_EVENT_TIME_MS - 1,
  },
  idleMs: LATEST_EVENT_TIME_MS,
  wholeFromMs: LATEST_EVENT_TIME_MS,
}

test('what a restart needs to know of sixteen topologies fits beside an offset, and comes back as it was', () => {
  const lastRecord = { offset: Number.MAX_SAFE_INTEGER, checksum: 2 ** 32 - 1 }
  const topologies = new Map(names.map((name) => [name, longest]))
  const range = { end: Number.MAX_SAFE_INTEGER, asked: 'a'.repeat(60) }
  const metadata = { partitions: 10_000, lastRecord, topologies, variants: NO_VARIANTS, range }
  const packed = encodeMetadata(metadata)
  expect(decodeMetadata(packed)).toEqual(metadata)
  expect(Buffer.byteLength(packed)).toBeLessThanOrEqual(mostMetadataBytes(names, NO_VARIANTS))
  expect(mostMetadataBytes(names, NO_VARIANTS)).toBeLessThanOrEqual(MOST_METADATA_BYTES)
})

const good = { v: 1, n: 3, last: [6, 123], t: { a: ['0123456789ab', 2, 5, null, 7.5] } }

test('the variants of score steps come back as they were, and need no more room than was reckoned with', () => {
  const variants: ChosenVariants = new Map([
    [
      'n1',
      new Map([
        ['score', 'card-deep'],
        ['score-2', 'card-gbdt'],
      ]),
    ],
    ['n2', new Map([['score', 'flight-mlp']])],
  ])
  const topologies = new Map(['n1', 'n2', 'n3'].map((name) => [name, longest]))
  const metadata = { partitions: 3, lastRecord: null, topologies, variants, range: null }
  const packed = encodeMetadata(metadata)
  expect(decodeMetadata(packed)).toEqual(metadata)
  expect(Buffer.byteLength(packed)).toBeLessThanOrEqual(
    mostMetadataBytes(['n1', 'n2', 'n3'], variants),
  )
})

test('metadata without variants and range is written as it was before there were any, and such metadata is read', () => {
  const before =
    '{"v":1,"n":3,"last":[6,123],"t":{"a":["0123456789ab",2,5,null,7.5],"b":["f",3,4,5,6,7]}}'
  const metadata = decodeMetadata(before)
  expect(metadata).toMatchObject({ variants: NO_VARIANTS, range: null })
  expect(metadata && encodeMetadata(metadata)).toBe(before)
})

test.each<[string, unknown]>([
  ['no object', []],
  ['another format', { ...good, v: 2 }],
  ['partitions that are no count', { ...good, n: -1 }],
  ['partitions as text', { ...good, n: '3' }],
  ['a last record below 0', { ...good, last: [-1, 1] }],
  ['a checksum of more than 32 bits', { ...good, last: [6, 2 ** 32] }],
  ['a last record of one number', { ...good, last: [6] }],
  ['no last record', { ...good, last: undefined }],
  ['no topologies', { ...good, t: null }],
  ['a topology that is no list', { ...good, t: { a: {} } }],
  ['an offset of half a record', { ...good, t: { a: ['f', 0.5, 1, 1, 1] } }],
  ['an offset above 2^53', { ...good, t: { a: ['f', 1e300, 1, 1, 1] } }],
  ['a time as text', { ...good, t: { a: ['f', 1, '1', 1, 1] } }],
  ['a time without end', { ...good, t: { a: ['f', 1, 1e300, 1, 1] } }],
  ['a time too few', { ...good, t: { a: ['f', 1, 1, 1] } }],
  ['variants that are no object', { ...good, m: ['x'] }],
  ['variants of no step', { ...good, m: { a: 'x' } }],
  ['a variant without a name', { ...good, m: { a: { score: 1 } } }],
  ['a range that is no list', { ...good, r: 'x' }],
  ['a range that ends below 0', { ...good, r: [-1, 'x'] }],
  ['a range of no words', { ...good, r: [1] }],
])('metadata with %s is none of ours', (_, hostile) => {
  expect(decodeMetadata(JSON.stringify(good))).not.toBeNull()
  expect(decodeMetadata(JSON.stringify(hostile))).toBeNull()
})

test('whatever stands beside an offset is metadata with whole numbers, or none', () => {
  const any = fc.oneof(fc.jsonValue(), fc.constantFrom(1, 0, -1, 2 ** 53, 1e300, 0.5))
  const close = fc.record({
    v: fc.constant(1),
    n: any,
    last: fc.oneof(any, fc.tuple(any, any)),
    t: fc.oneof(any, fc.dictionary(fc.string(), fc.tuple(fc.string(), any, any, any, any))),
  })
  const texts = fc.oneof(
    fc.string(),
    close.map((given) => JSON.stringify(given)),
  )
  fc.assert(
    fc.property(texts, (text) => {
      const metadata = decodeMetadata(text)
      if (metadata === null) return
      expect(Number.isSafeInteger(metadata.partitions)).toBe(true)
      for (const { from, idleMs } of metadata.topologies.values()) {
        expect(Number.isSafeInteger(from.offset) && from.offset >= 0).toBe(true)
        for (const ms of [from.newestMs, from.idleMs, idleMs]) expect(ms).not.toBeNaN()
      }
    }),
  )
})
