import { expect, test } from 'vitest'
import type { NewRecord } from '../../../src/connect/port.ts'
import type { Versioned } from '../../../src/connect/redis/redis-client.ts'
import { redisSink, versionKeyOf } from '../../../src/connect/redis/redis-sink.ts'
import { sinkVersion } from '../../../src/connect/system.ts'
import { WrittenRecords } from '../../../src/connect/written-records.ts'
import { writeOutside } from '../../../src/runtime/commit/outside-sinks.ts'

const place = { topic: 'payments', partition: 0, offset: 0 }

function output(topic: string, [key, value]: readonly [string, string], timeMs: number): NewRecord {
  const headers = [{ name: 'version', value: Buffer.from(sinkVersion(timeMs, place)) }]
  const [ownKey, ownValue] = [Buffer.from(key), Buffer.from(value)]
  return { topic, partition: null, key: ownKey, value: ownValue, timestampMs: 1, headers }
}

/** Commits outputs, those of `cards` to Redis, and lists what was done in order. */
function committing(keepNewest: (values: readonly Versioned[]) => Promise<void>) {
  const done: string[] = []
  const client = {
    keepNewest: async (values: readonly Versioned[]) => {
      await keepNewest(values)
      done.push(...values.map(({ key, value, ttlMs }) => `${key}=${String(value)} for ${ttlMs}`))
    },
  }
  const step = { topic: 'cards', system: { connector: 'redis', options: { ttlMs: 60_000 } } }
  const sinks = new Map([['cards', redisSink(client, [step])]])
  const commit = async (records: readonly NewRecord[]) => {
    const outputs = WrittenRecords.of(records)
    const inLog = await writeOutside({ outputs, deadLetters: [], nextOffsets: [] }, sinks)
    done.push(`committed ${[...inLog.outputs].map(({ value }) => String(value)).join()}`)
  }
  return { commit, done }
}

test('the newest value of each key is written before the commit of the other outputs', async () => {
  const { commit, done } = committing(async () => undefined)
  await commit([
    output('cards', ['a', '1'], 10),
    output('scores', ['x', 's'], 10),
    output('cards', ['a', '3'], 30),
    output('cards', ['a', '2'], 20),
    output('cards', ['b', '4'], 10),
  ])
  expect(done).toEqual(['a=3 for 60000', 'b=4 for 60000', 'committed s'])
})

test('nothing is committed where Redis does not take the values, and the reason is told', async () => {
  const { commit, done } = committing(() => Promise.reject(new Error('OOM command not allowed')))
  await expect(commit([output('cards', ['a', '1'], 10)])).rejects.toMatchObject({
    code: 'COMMIT_FAILED',
    message: 'Redis does not take the values of cards: OOM command not allowed',
  })
  expect(done).toEqual([])
})

test('versions are ordered by event time, topic, partition and offset', () => {
  const versions = [
    sinkVersion(9, { topic: 'z', partition: 9, offset: 9 }),
    sinkVersion(10, { topic: 'a', partition: 10, offset: 1 }),
    sinkVersion(10, { topic: 'a-b', partition: 1, offset: 9 }),
    sinkVersion(10, { topic: 'a-b', partition: 1, offset: 10 }),
    sinkVersion(10, { topic: 'a-b', partition: 10, offset: 0 }),
    sinkVersion(1_700_000_000_000, { topic: 'a', partition: 0, offset: 0 }),
  ]
  expect(versions.toSorted()).toEqual(versions)
})

test.each([
  ['card:1', '{card:1}:tidemark'],
  ['{card}:1', '{card}:1:tidemark'],
  ['a{b', '{a{b}:tidemark'],
  ['a}b', null],
  ['{}b', null],
])('the version of %s is under %s', (key, versionKey) => {
  expect(versionKeyOf(key)).toBe(versionKey)
})
