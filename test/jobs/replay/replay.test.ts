import * as fc from 'fast-check'
import { replay } from 'tidemark'
import { expect, test } from 'vitest'
import { MemoryRecords } from '../../../src/connect/memory/memory-records.ts'
import type { LogRecord } from '../../../src/connect/port.ts'
import { Verification } from '../../../src/jobs/replay/verification.ts'
import { packBlock } from '../../../src/runtime/commit/skipped-records.ts'
import type { Definition } from '../../../src/topology/definition.ts'
import orders from '../../fixtures/topologies/orders.ts'
import { perTenSeconds, scored } from '../../runtime/support.ts'
import { event, verified, workedOnce } from './replayed.ts'

const EVENTS = 30

async function worked(definition?: Definition): Promise<MemoryRecords> {
  const records = new MemoryRecords({ chunkRecords: 7 })
  for (const topic of ['events', 'scores', 'events.dlq'])
    records.createTopic(topic, { partitions: 1 })
  // The seventh comes late, and the ninth is no event.
  const events = Array.from({ length: EVENTS }, (_, i) => event(i === 6 ? -60 : i))
  events[8] = { ...event(8), value: Buffer.from('no event') }
  records.produce(events)
  await workedOnce(records, definition)
  return records
}

function none(counts: Partial<Verification['counts']>) {
  const displaced = { 'in another partition': 0, 'with another timestamp': 0 }
  const all = { equal: 0, different: 0, missing: 0, twice: 0, additional: 0, 'not comparable': 0 }
  return { ...all, ...displaced, ...counts }
}

const readNothing = async () => null

test('every output and dead letter is made again, also from the middle, and nothing is written', async () => {
  const records = await worked()
  const before = ['scores', 'events.dlq'].map((topic) => records.read(topic).length)
  const committed = records.committed('g', { topic: 'events', partition: 0 })
  expect((await verified(records)).counts).toEqual(none({ equal: EVENTS }))
  const from = await verified(records, { range: { from: 11, to: 20 } })
  expect(from.counts).toEqual(none({ equal: 9 }))
  expect(['scores', 'events.dlq'].map((topic) => records.read(topic).length)).toEqual(before)
  expect(records.committed('g', { topic: 'events', partition: 0 })).toEqual(committed)
})

test.each(['yesterday', null, 7, {}, { timeMs: Number.NaN }])(
  'a program is told that %o is not a point of the log',
  async (from) => {
    const wrong = { from: from as never, to: { offset: 0.5 } }
    await expect(replay(orders, wrong)).rejects.toMatchObject({
      faults: [
        { code: 'CONFIG_INVALID', where: 'from' },
        { code: 'CONFIG_INVALID', where: 'to' },
      ],
    })
  },
)

test('windows that closed before or after a range are none of its differences', async () => {
  const records = await worked(perTenSeconds)
  const definition = perTenSeconds
  expect((await verified(records, { definition })).isEqual).toBe(true)
  const range = { from: 13, to: 25 }
  expect((await verified(records, { definition, range })).counts).toEqual(none({ equal: 1 }))
})

test('what is removed is missing, and what is doubled is there twice, each counted alone', async () => {
  const records = await worked()
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('kept', 'removed', 'doubled'), {
        minLength: EVENTS,
        maxLength: EVENTS,
      }),
      async (fates) => {
        let n = 0
        const used: string[] = []
        const change = (all: readonly LogRecord[]) =>
          all.flatMap((record) => {
            const fate = fates[n++] as string
            used.push(fate)
            return fate === 'removed' ? [] : fate === 'doubled' ? [record, record] : [record]
          })
        const { counts } = await verified(records, { change })
        const count = (fate: string) => used.filter((one) => one === fate).length
        const [missing, twice] = [count('removed'), count('doubled')]
        expect(counts).toEqual(none({ equal: EVENTS - missing, missing, twice }))
      },
    ),
    { numRuns: 20 },
  )
})

test('a difference is shown with its place, its fields, and the reason', async () => {
  const records = await worked()
  const all = records.read('scores')
  const verification = await verified(records, { score: (rows) => rows.map((row) => row + 1) })
  const text = await verification.describe(async (_, { offset }) => all[offset] ?? null)
  expect(text).toContain('different: scores of events-0@0, scores-0@0\n')
  expect(text).toContain('  its record, or an earlier one of its key, is not what it was\n')
  expect(text).toContain('  value.p: 0 → 1\n')
  expect(text.match(/^different/gm)).toHaveLength(10)
  expect(verification.isEqual).toBe(false)
})

test.each([
  ['tidemark-by', 'ffff', 'another topology: ffff, now 0123456789ab'],
  ['tidemark-model', 'm@1+cdcdcdcd', 'another model: m@1+cdcdcdcd, now m@1+abababab'],
  ['tidemark-model', 'n@1+cdcdcdcd', 'another variant: n@1+cdcdcdcd, now m@1+abababab'],
  ['tidemark-by-clock', 'true', 'the clock decided'],
  ['tidemark-tables', 'merchants=7', 'another table: merchants=7, now none'],
  ['tidemark-warming', 'true', 'windows were, or are now, not whole'],
])('outputs with %s: %s differ because of %s', async (name, value, why) => {
  const change = (all: readonly LogRecord[], topic: string) =>
    topic === 'scores' ? all.map((record) => withHeader(record, name, value)) : all
  const verification = await verified(await worked(), { change })
  const text = await verification.describe(readNothing)
  expect(text).toContain(`  ${why}\n`)
  const isKnown = name === 'tidemark-warming'
  expect(verification.counts[isKnown ? 'not comparable' : 'different']).toBe(EVENTS - 2)
  expect(verification.isEqual).toBe(isKnown)
  // What concerns all of a run is shown once.
  expect(text.match(/^(different|not comparable):/gm)).toHaveLength(
    why.startsWith('another') ? 1 : 10,
  )
})

/** A record with other headers. */
function withHeader(record: LogRecord, name: string, value: string): LogRecord {
  const { offset, timestampMs, key, value: bytes } = record
  const others = record.headers.filter((header) => header.name !== name)
  const headers = [...others, { name, value: Buffer.from(value) }]
  return { offset, timestampMs, key, value: bytes, headers }
}

test('an output that no replay makes is additional, and the dead letter in its place stays', async () => {
  const change = (all: readonly LogRecord[], topic: string) => {
    const strange = withHeader(all[0] as LogRecord, 'tidemark-id', 'events/0/8/scores')
    return topic === 'scores' ? [...all, strange] : all
  }
  const { counts } = await verified(await worked(), { change })
  expect(counts).toEqual(none({ equal: EVENTS, additional: 1 }))
})

test('an output with another timestamp is not equal, and neither is one in another partition', async () => {
  const change = (all: readonly LogRecord[], topic: string) =>
    topic === 'scores' ? all.map((of) => ({ ...of, timestampMs: of.timestampMs + 1 })) : all
  const late = await verified(await worked(), { change })
  expect(late.counts).toEqual(none({ equal: 2, 'with another timestamp': EVENTS - 2 }))
  expect(late.isEqual).toBe(false)
  expect(await late.describe(readNothing)).toContain(
    'with another timestamp: scores of events-0@0, scores-0@0\n',
  )
  const records = await worked()
  // Of three partitions, the key belongs to the last.
  records.addPartitions('scores', 3)
  const moved = await verified(records)
  expect(moved.counts).toEqual(none({ equal: 2, 'in another partition': EVENTS - 2 }))
  expect(moved.isEqual).toBe(false)
})

test('records that no sink of the topology has written are named, and are no difference', async () => {
  const change = (all: readonly LogRecord[], topic: string) => {
    const [first] = all as [LogRecord]
    const other = (offset: number, id: string) => ({
      ...withHeader(first, 'tidemark-id', id),
      offset,
    })
    const nameless = { ...first, headers: [], offset: 1_000 }
    return topic === 'scores'
      ? [...all, nameless, other(1_001, 'events/0/1/others'), other(1_002, 'sales/0/1/scores')]
      : [...all, nameless]
  }
  const verification = await verified(await worked(), { change })
  expect(verification.isEqual).toBe(true)
  expect(verification.counts).toEqual(none({ equal: EVENTS }))
  expect(await verification.describe(readNothing)).toMatch(
    /^not compared, without tidemark-id: 1 \(scores-0@1000\)\nnot compared, with the tidemark-id of another sink: 2 \(scores-0@1001, scores-0@1002\)\n/,
  )
})

test('an output that was a dead letter says so, and with idleAfter a late one may be due to the clock', async () => {
  const records = await worked()
  const letter = records.read('events.dlq')[0] as LogRecord
  const change = (all: readonly LogRecord[], topic: string) =>
    topic === 'scores' ? all.slice(1) : [...all, withHeader(letter, '__streams.errors.offset', '0')]
  const why = async (definition: Definition) => {
    const verification = await verified(records, { definition, change })
    expect(verification.counts).toEqual(none({ equal: EVENTS - 1, missing: 1, additional: 1 }))
    return verification.describe(readNothing)
  }
  expect(await why(scored)).toContain('\n  it was a dead letter, LATE\n')
  const { source } = scored
  const watermark = { ...source.watermark, idleAfterMs: 5_000 }
  const idle = await why({ ...scored, source: { ...source, watermark } })
  expect(idle.match(/ {2}a late decision by the clock \(idleAfter\)\n/g)).toHaveLength(2)
})

test('a record that was given up for its schema is left out again (rule R9)', async () => {
  const format = { is: 'registry', typeField: null } as const
  const definition: Definition = { ...scored, source: { ...scored.source, format } }
  const records = await worked(definition)
  expect((await verified(records, { definition })).isEqual).toBe(true)
  const { key, value } = packBlock({ block: 0, topicId: null, unknown: [[5, 5]] })
  const place = { topic: 'g.scored.checkpoint', partition: 0, timestampMs: -1, headers: [] }
  records.produce([{ ...place, key, value }])
  const letter = records.read('events.dlq')[0] as LogRecord
  const unknown = withHeader(letter, 'tidemark.code', 'SCHEMA_UNKNOWN')
  const change = (all: readonly LogRecord[], topic: string) =>
    topic === 'scores' ? all : [...all, withHeader(unknown, '__streams.errors.offset', '5')]
  const { counts } = await verified(records, { definition, change })
  // Its own output is not made again, and what had it in its windows, or its time, is another.
  expect(counts).toEqual(none({ equal: EVENTS - 8, additional: 1, different: 8 }))
})

test('what can all not be compared is not equal', async () => {
  const change = (all: readonly LogRecord[]) =>
    all.map((record) => withHeader(record, 'tidemark-warming', 'true'))
  const verification = await verified(await worked(), { range: { from: 0, to: 1 }, change })
  expect(verification.counts).toEqual(none({ 'not comparable': 1 }))
  expect(verification.isEqual).toBe(false)
})
