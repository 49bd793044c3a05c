import { messageOf, TidemarkError } from '../../kernel/errors.ts'
import { committingThrough } from '../committing-through.ts'
import type { NewRecord, Records, TopicPartition } from '../port.ts'
import { WrittenRecords } from '../written-records.ts'
import type { Redis, Versioned } from './redis-client.ts'

// Sinks in Redis. Their values are acknowledged before the commit that has their offsets (rule C12).

/** The only header of an output that goes to Redis. */
export const VERSION_HEADER = 'version'
const TIME_DIGITS = 16
const PARTITION_DIGITS = 10

/** Orders the values of a key, as text: by event time, then topic, partition and offset. */
export function sinkVersion(
  timeMs: number,
  { topic, partition, offset }: TopicPartition & { readonly offset: number },
): string {
  const digits = (n: number, count: number) => String(Math.max(0, n)).padStart(count, '0')
  // No topic has a character before "-".
  const place = `${topic} ${digits(partition, PARTITION_DIGITS)} ${digits(offset, TIME_DIGITS)}`
  return `${digits(timeMs, TIME_DIGITS)} ${place}`
}

/**
 * The key of a value's version, in the same slot of a cluster; `null`: there is none, because the
 * key has a `}` and no hash tag.
 */
export function versionKeyOf(key: string): string | null {
  const open = key.indexOf('{')
  const close = open < 0 ? -1 : key.indexOf('}', open)
  if (close > open + 1) return `${key}:tidemark`
  return key.includes('}') ? null : `{${key}}:tidemark`
}

interface RedisSinks {
  readonly redis: Pick<Redis, 'keepNewest'>
  /** By name, how long values stay, ms; `null`: for ever. */
  readonly sinks: ReadonlyMap<string, number | null>
}

/** Wraps `records` so that a commit first writes the outputs of sinks in Redis. */
export function committingToRedis(records: Records, { redis, sinks }: RedisSinks): Records {
  return committingThrough(records, async (commit, member) => {
    const outputs = WrittenRecords.of(commit.outputs)
    const newest = new Map<string, Versioned>()
    const others = new WrittenRecords(outputs.length)
    for (let i = 0; i < outputs.length; i++) {
      const ttlMs = sinks.get(outputs.topic(i))
      if (ttlMs === undefined) others.addFrom(outputs, i)
      else addNewest(newest, outputs.at(i), ttlMs)
    }
    if (newest.size === 0) return member.commit(commit)
    try {
      await redis.keepNewest([...newest.values()])
    } catch (thrown) {
      const what = `Redis does not take the values of ${[...sinks.keys()].join(', ')}: ${messageOf(thrown)}`
      throw new TidemarkError('COMMIT_FAILED', what, { cause: thrown })
    }
    await member.commit({ ...commit, outputs: others })
  })
}

/** One write for each key. */
function addNewest(
  newest: Map<string, Versioned>,
  { key, value, headers, topic }: NewRecord,
  ttlMs: number | null,
): void {
  const version = headers.find(({ name }) => name === VERSION_HEADER)?.value
  if (key === null || value === null || version === undefined) {
    throw new TidemarkError('INVARIANT', `an output of "${topic}" has no key, value or version`)
  }
  const name = key.toString('utf8')
  const own = { key: name, value, version: version.toString('utf8'), ttlMs }
  const before = newest.get(name)
  if (before !== undefined && before.version > own.version) return
  newest.set(name, { ...own, versionKey: versionKeyOf(name) as string })
}
