import { messageOf, TidemarkError } from '../../kernel/errors.ts'
import type { SinkStep } from '../../topology/definition.ts'
import type { NewRecord, RecordSink } from '../port.ts'
import { VERSION_HEADER } from '../system.ts'
import type { Redis, Versioned } from './redis-client.ts'

/** Keeps the newest value of each key, which is acknowledged before its offset is committed (rule C12). */
export function redisSink(
  client: Pick<Redis, 'keepNewest'>,
  steps: readonly Pick<SinkStep, 'topic' | 'system'>[],
): RecordSink {
  const ttls = steps.map(({ topic, system }) => [topic, system?.options['ttlMs'] ?? null] as const)
  /** By name of the sink, how long values stay, ms; `null`: for ever. */
  const ttlsMs = new Map(ttls as readonly (readonly [string, number | null])[])
  return {
    keyFault(key) {
      const isFit = key !== null && versionKeyOf(key.toString('utf8')) !== null
      return isFit ? null : 'a key for Redis has a "}" and no hash tag'
    },

    async write(outputs) {
      const newest = new Map<string, Versioned>()
      for (const output of outputs) {
        const versioned = versionedOf(output, ttlsMs.get(output.topic) ?? null)
        const before = newest.get(versioned.key)
        // One write for each key.
        if (before === undefined || before.version <= versioned.version) {
          newest.set(versioned.key, versioned)
        }
      }
      try {
        await client.keepNewest([...newest.values()])
      } catch (thrown) {
        const names = [...ttlsMs.keys()].join(', ')
        const message = `Redis does not take the values of ${names}: ${messageOf(thrown)}`
        throw new TidemarkError('COMMIT_FAILED', message, { cause: thrown })
      }
    },

    // Closed with its connection.
    async close() {},
  }
}

function versionedOf({ key, value, headers, topic }: NewRecord, ttlMs: number | null): Versioned {
  const version = headers.find(({ name }) => name === VERSION_HEADER)?.value.toString('utf8')
  if (key === null || value === null || version === undefined) {
    throw new TidemarkError('INVARIANT', `an output of "${topic}" has no key, value or version`)
  }
  const name = key.toString('utf8')
  return { key: name, versionKey: versionKeyOf(name) as string, value, version, ttlMs }
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
