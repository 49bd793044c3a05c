import { INVALID, type StoredRow, type StoreSource, UNREAD } from '../../lookup/store-source.ts'
import type { KeyedRows } from '../../topology/store.ts'
import type { Redis } from './redis-client.ts'

/** The most characters of a value in Redis. */
const MOST_CHARACTERS = 2 ** 20

/** A store in Redis: JSON under a key, or a key for each field. */
export function redisSource({ options: rows }: KeyedRows, redis: Pick<Redis, 'get' | 'set'>) {
  const { fields } = rows
  const named = fields ?? ['']
  return {
    async getMany(keys) {
      const wanted = keys.flatMap((key) => named.map((field) => keyOf(rows, key, field)))
      const answers = await redis.get(wanted.filter((key) => key !== null))
      const [first] = answers
      if (first instanceof Error && answers.every(isUnread)) throw first
      let next = 0
      const values = wanted.map((key) => (key === null ? INVALID : parsed(answers[next++] ?? null)))
      if (fields === undefined) return values.map((value) => ({ value, missing: NONE }))
      const { length } = fields
      return keys.map((_, i) => partial(values.slice(i * length, (i + 1) * length), fields))
    },

    async setMany(computed, ttlMs) {
      const values = computed.flatMap(({ key, value, fields: computedFields }) =>
        (fields === undefined ? named : computedFields).flatMap((field) => {
          const at = keyOf(rows, key, field)
          const part = fields === undefined ? value : (value as Fields)[field]
          const text = JSON.stringify(part) as string | undefined
          return at === null || text === undefined ? [] : ([[at, text]] as const)
        }),
      )
      await redis.set(values, ttlMs)
    },
  } satisfies StoreSource
}

const NONE: readonly string[] = []
type Fields = Readonly<Record<string, unknown>>

/** `null`: the author's function gives none. */
function keyOf(rows: KeyedRows['options'], key: string, field: string): string | null {
  try {
    const made: unknown = rows.key(key, field)
    return typeof made === 'string' && made !== '' ? made : null
  } catch {
    return null
  }
}

function isUnread(answer: string | null | Error): boolean {
  return answer instanceof Error && !answer.message.startsWith('WRONGTYPE')
}

/** `undefined`: there is no value. */
function parsed(answer: string | null | Error): unknown {
  if (answer === null) return undefined
  if (answer instanceof Error) return isUnread(answer) ? UNREAD : INVALID
  if (answer.length > MOST_CHARACTERS) return INVALID
  try {
    const value: unknown = JSON.parse(answer)
    return value ?? undefined
  } catch {
    return INVALID
  }
}

function partial(values: readonly unknown[], fields: readonly string[]): StoredRow {
  const bad = values.find((value) => value === UNREAD) ?? values.find((value) => value === INVALID)
  const missing = fields.filter((_, i) => values[i] === undefined)
  if (bad !== undefined) return { value: bad, missing: NONE }
  if (missing.length === fields.length) return { value: undefined, missing }
  const pairs = fields.flatMap((field, i) => (values[i] === undefined ? [] : [[field, values[i]]]))
  return { value: Object.fromEntries(pairs) as Fields, missing }
}
