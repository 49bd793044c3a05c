import { describe, expect, test } from 'vitest'
import { ListedRecords } from '../../../src/connect/log-records.ts'
import { Dictionary } from '../../../src/engine/store/dictionary.ts'
import { partitionOfKey } from '../../../src/kernel/kafka.ts'
import type { RuntimeEvent } from '../../../src/runtime/events.ts'
import { KeyWatch } from '../../../src/runtime/partition/key-watch.ts'
import type { Definition, SourceDefinition } from '../../../src/topology/definition.ts'
import { HASH } from '../../support/hash.ts'
import { headerOf } from '../../support/headers.ts'
import { committed, joined } from '../hand-worker.ts'
import { prepared, record, scored, scorer } from '../support.ts'

// Events of one key in several partitions, which no window sees together.

const PARTITIONS = 4

/**
 * The events told when these keys are seen: partition, key of the event, and of the record where it
 * is another one.
 */
function told(
  source: Partial<SourceDefinition>,
  seen: readonly (readonly [partition: number, key: string, recordKey?: string])[],
) {
  const events: RuntimeEvent[] = []
  const definition = { ...scored, source: { ...scored.source, ...source } }
  const watch = new KeyWatch(definition, (event) => events.push(event))
  const names = new Dictionary(HASH)
  for (const [offset, [partition, key, own = key]] of seen.entries()) {
    watch.look({
      ...{ partition: { topic: 'events', partition }, partitions: PARTITIONS },
      ...{ keys: [names.numberOf(key)], names },
      records: new ListedRecords([{ ...record(offset), key: Buffer.from(own) }]),
    })
  }
  return events
}

const placed = (key: string) => partitionOfKey(Buffer.from(key), PARTITIONS, 'murmur2')
const other = (key: string) => (placed(key) + 1) % PARTITIONS

describe('that windows are split is told', () => {
  test('when a key was seen in two partitions, with where', () => {
    expect(
      told({}, [
        [1, 'a'],
        [2, 'b'],
        [3, 'a'],
      ]),
    ).toEqual([
      {
        ...{ type: 'key-mismatch', topology: 'scored', events: 1, offset: 2 },
        partition: { topic: 'events', partition: 3 },
        elsewhere: expect.objectContaining({ topic: 'events', partition: 1, offset: 0 }),
      },
    ])
  })

  test('when an author has said how keys are placed, and an event has another key than its record', () => {
    const events = told({ partitioner: 'murmur2' }, [[other('a'), 'a', 'merchant']])
    expect(events).toMatchObject([{ elsewhere: { partition: placed('a'), offset: null } }])
  })
})

describe('nothing is told without proof', () => {
  test.each<[string, Partial<SourceDefinition>, string]>([
    ['where the author has not said how keys are placed', {}, 'merchant'],
    ['where the author does not know', { partitioner: 'unknown' }, 'merchant'],
    ['where the record has the same key, however it was placed', { partitioner: 'murmur2' }, 'a'],
  ])('%s', (_, source, recordKey) => {
    expect(told(source, [[other('a'), 'a', recordKey]])).toEqual([])
  })

  test('of keys that stay where they are', () => {
    const seen = Array.from(
      { length: 5_000 },
      (_, i) => [placed(`k${i % 500}`), `k${i % 500}`] as const,
    )
    expect(told({ partitioner: 'murmur2' }, seen)).toEqual([])
  })
})

test('a sample of many keys is enough to see that they are spread, and it is bounded', () => {
  const keys = Array.from({ length: 3_000 }, (_, i) => `k${i}`)
  const seen = [0, 1].flatMap((partition) => keys.map((key) => [partition, key] as const))
  const events = told({}, seen)
  expect(events.length).toBeGreaterThan(256)
  expect(events.length).toBeLessThanOrEqual(1_024)
})

describe('an event in the wrong partition', () => {
  const strict = (source: Partial<SourceDefinition>): Definition => {
    return { ...scored, source: { ...scored.source, keyMismatch: 'dead-letter', ...source } }
  }

  test.each([
    [null, 'murmur2'],
    ['murmur2', 'murmur2'],
    ['crc32', 'crc32'],
  ] as const)('is a dead letter where the source says so, by %s', async (partitioner, by) => {
    const { member } = await joined(scorer(), {
      prepared: prepared(scorer(), strict({ partitioner })),
    })
    member.assign(1)
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`)
    const wrong = keys.filter((key) => partitionOfKey(Buffer.from(key), 6, by) !== 0)
    expect(wrong.length).toBeGreaterThan(0)
    member.give(
      1,
      keys.map((key, i) => ({
        ...record(i),
        key: Buffer.from('whatever'),
        value: Buffer.from(String(record(i).value).replace('"k"', `"${key}"`)),
      })),
    )
    const { outputs, deadLetters } = await committed(member)
    expect(deadLetters.map((d) => headerOf(d, 'tidemark.code'))).toEqual(
      wrong.map(() => 'KEY_PARTITION'),
    )
    expect(outputs).toHaveLength(keys.length - wrong.length)
  })
})
