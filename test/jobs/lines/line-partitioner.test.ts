import { Readable } from 'node:stream'
import { defineTopology, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import { z } from 'zod'
import type { InputBlock } from '../../../src/connect/files/input-lines.ts'
import { blocksOf, linesOf, splitKey } from '../../../src/connect/files/lines.ts'
import { type PartitionLines, recordsOf } from '../../../src/connect/files/partition-lines.ts'
import { MemoryRecords } from '../../../src/connect/memory/memory-records.ts'
import { eventKey } from '../../../src/formats/identity.ts'
import { recordDecoder } from '../../../src/formats/open-format.ts'
import { GivenRecord } from '../../../src/formats/record-decoding.ts'
import { LinePartitioner } from '../../../src/jobs/lines/line-partitioner.ts'
import { Memory } from '../../../src/kernel/bytes.ts'
import { partitionOfKey } from '../../../src/kernel/kafka.ts'
import type { Definition } from '../../../src/topology/definition.ts'

const Visit = z.object({
  user: z.union([z.string(), z.number()]),
  shop: z.object({ id: z.string() }),
  at: z.number(),
})
type Visit = z.infer<typeof Visit>
type KeyOf = (
  visit: Visit,
  record: { readonly value: Buffer | null; readonly headers: readonly unknown[] },
) => string

function visits(key: KeyOf, more: { readonly partitioner?: 'crc32' } = {}): Definition {
  return defineTopology('visits', (t) =>
    t
      .source('visits', {
        schema: Visit,
        key,
        eventTimeMs: (v) => v.at,
        watermark: { lag: seconds(1) },
        onLate: 'drop',
        ...more,
      })
      .map((v) => ({ at: v.at }))
      .sink('out'),
  )
}

async function* blocks(text: string, bytes = 2 ** 18): AsyncGenerator<InputBlock> {
  const whole = Buffer.from(text)
  const chunks: Buffer[] = []
  for (let at = 0; at < whole.length; at += bytes) chunks.push(whole.subarray(at, at + bytes))
  for await (const { numbers, ...block } of blocksOf(Readable.from(chunks))) {
    yield { ...block, places: numbers }
  }
}

interface Placed {
  readonly partition: number
  readonly offset: number
  readonly key: string
  readonly value: string
}

async function partitioned(
  { source }: Definition,
  text: string,
  {
    partitions = 6,
    fields = [],
  }: { readonly partitions?: number; readonly fields?: readonly string[] } = {},
): Promise<(Placed & { readonly place: number })[]> {
  const files = [{ path: 'visits.ndjson', kind: 'lines', bytes: text.length } as const]
  const partitioner = await LinePartitioner.open(source, { partitions, fields, files })
  const all = []
  for await (const lines of partitioner.partitioned(blocks(text))) all.push(...lines)
  // Records are only read when all blocks were partitioned, as when a worker is slow.
  return all.flatMap(({ partition, places, ...lines }) =>
    [...recordsOf(new Memory(lines.bytes), lines)].map(({ offset, key, value }, index) => ({
      ...{ partition, offset, key: String(key), value: String(value) },
      place: places[index] as number,
    })),
  )
}

/** The records that a topic would have of the lines: the naive oracle. */
async function inTopic({ source }: Definition, text: string): Promise<Placed[]> {
  const records = new MemoryRecords()
  records.createTopic(source.topic, { partitions: 6 })
  const decode = recordDecoder(source)
  const from = { topic: source.topic, partition: 0 }
  for await (const lines of linesOf(Readable.from([Buffer.from(text)]))) {
    for (const { bytes } of lines) {
      const { key, value } = splitKey(bytes)
      const parts = { timestampMs: 0, headers: [], key: Buffer.alloc(0), value }
      const record = { offset: 0, ...parts }
      const keyIn = () => {
        try {
          const given = new GivenRecord(record, from)
          return eventKey((event) => source.key(event, given), decode(record, from))
        } catch {
          return ''
        }
      }
      const found = { ...parts, key: key ?? Buffer.from(keyIn()) }
      records.produce([{ ...found, topic: source.topic, partition: null }])
    }
  }
  const all = Array.from({ length: 6 }, async (_, partition) => {
    const log = await records.readAll({ topic: source.topic, partition })
    return log.map(({ offset, key, value }) => {
      return { partition, offset, key: String(key), value: String(value) }
    })
  })
  return (await Promise.all(all)).flat()
}

const order = (a: Placed, b: Placed) => a.partition - b.partition || a.offset - b.offset

const line = (user: unknown, shop: string, more = {}) =>
  JSON.stringify({ user, shop: { id: shop }, at: 1, ...more })
const LINES = [
  ...Array.from({ length: 60 }, (_, i) => line(`u-${i}`, `s-${i % 7}`)),
  line('', ''),
  line('é\n"😀', 'ä'),
  line(7, 's-1'),
  line(true, 's-1'),
  `k-1\t${line('u-1', 's-2')}`,
  `ké\t${line('u-1', 's-2')}`,
  `\t${line('u-1', 's-2')}`,
  'nonsense',
  'k-9\tnonsense',
  '{"user":"a',
  '\xff\xfe',
]

const KEYS: Record<string, Definition> = {
  'a picked text': visits((v) => v.user as string),
  'a picked text of an inner object': visits((v) => v.shop.id),
  'a function': visits((v) => `${v.user}/${v.shop.id}`),
  'a function that throws': visits((v) =>
    (v.shop.id === 's-3' ? (null as never) : v.shop.id).trim(),
  ),
  'a function of the record': visits(
    (_, { value, headers }) => `${value?.length} ${headers.length}`,
  ),
}

test.each(Object.keys(KEYS))(
  'a line has the partition, the offset and the key of its record in a topic: %s',
  async (name) => {
    const definition = KEYS[name] as Definition
    const text = LINES.join('\n')
    const found = (await partitioned(definition, text)).map(({ place: _place, ...of }) => of)
    expect(found.sort(order)).toEqual((await inTopic(definition, text)).sort(order))
  },
)

test('lines of a stream have its headers and its time, which their key may be made of', async () => {
  const definition = visits((_, { headers }) => `${headers.length}`)
  const headers = [{ name: 'a', value: Buffer.from('1') }]
  const shared = () => ({ headers, timestampMs: 7 })
  const how = { partitions: 6, fields: [], files: [], shared }
  const partitioner = await LinePartitioner.open(definition.source, how)
  for await (const [lines, ...others] of partitioner.partitioned(blocks(line('u-1', 's-1')))) {
    const { bytes } = lines as PartitionLines
    const [record] = recordsOf(new Memory(bytes), lines as PartitionLines)
    expect(others).toEqual([])
    const made = [String(record?.key), record?.headers, record?.timestampMs]
    expect(made).toEqual(['1', headers, 7])
  }
  expect(partitioner.records).toBe(1)
})

test('the partitioner of the source decides', async () => {
  const found = await partitioned(
    visits((v) => v.shop.id, { partitioner: 'crc32' }),
    LINES.join('\n'),
  )
  const partitions = found.map(({ key }) => partitionOfKey(Buffer.from(key), 6, 'crc32'))
  expect(found.map(({ partition }) => partition)).toEqual(partitions)
})

test('keys and places of a block stay when the next ones were partitioned', async () => {
  const lines = Array.from({ length: 30_000 }, (_, i) =>
    line(`u-${i}`, 's-1', { note: 'x'.repeat(60) }),
  )
  const found = await partitioned(KEYS['a picked text'] as Definition, lines.join('\n'))
  expect(found).toHaveLength(30_000)
  expect(found.filter(({ key, place }) => key !== `u-${place - 1}`)).toEqual([])
})

const FIELDS = ['p', 'o']
const at = (p: unknown, o: unknown, more = {}) => line('u-1', 's-1', { p, o, ...more })

test('an export says where its events were in the log', async () => {
  const text = [
    at(2, 5),
    at(0, 0, { odd: { deep: ['"\\', 1e3, null], é: '\u2028' } }),
    `k\t${at(2, 9)}`,
    at(0, 1),
    `{"o":10,"p":2}`,
  ].join('\n')
  const found = await partitioned(
    visits((v) => v.shop.id),
    text,
    { fields: FIELDS },
  )
  const places = found.map(({ partition, offset, key, place }) => [partition, offset, key, place])
  expect(places.sort((a, b) => Number(a[3]) - Number(b[3]))).toEqual([
    [2, 5, 's-1', 1],
    [0, 0, 's-1', 2],
    [2, 9, 'k', 3],
    [0, 1, 's-1', 4],
    [2, 10, '', 5],
  ])
})

test('an export of partitions alone has their offsets counted', async () => {
  const text = [at(2, 5), at(0, 5), at(2, 5)].join('\n')
  const fields = ['p']
  const found = await partitioned(
    visits((v) => v.shop.id),
    text,
    { fields },
  )
  expect(found.sort(order).map(({ partition, offset }) => [partition, offset])).toEqual([
    [0, 0],
    [2, 0],
    [2, 1],
  ])
})

test.each([
  [at(1, 4), 'offset 4 of partition 1 comes after 4'],
  [at(1, 3), 'offset 3 of partition 1 comes after 4'],
  [at(6, 5), 'partition 6 is not below 6'],
  [at(1.5, 5), 'the line has no whole number as p and o'],
  [at('1', 5), 'the line has no whole number as p and o'],
  [at(1, null), 'the line has no whole number as p and o'],
  ['nonsense', 'the line has no whole number as p and o'],
])('%s after offset 4 of partition 1 ends the run with its place', async (bad, message) => {
  const run = partitioned(
    visits((v) => v.shop.id),
    [at(1, 4), bad].join('\n'),
    { fields: FIELDS },
  )
  await expect(run).rejects.toMatchObject({
    ...{ code: 'CONFIG_INVALID', message, where: 'visits.ndjson:2' },
  })
})
