import type { StoreDefinition } from '../topology/definition.ts'
import type { OwnRows, RedisRows } from '../topology/store.ts'
import type { Redis } from './redis.ts'

/** Stands for a value that is there and is no row. */
export const INVALID = Symbol('invalid')
/** Stands for a value that could not be read, while others could. */
export const UNREAD = Symbol('unread')

/** The stored part of a row. */
export interface StoredRow {
  /** The row as the schema takes it, perhaps without some fields; `undefined`: there is none. */
  readonly value: unknown
  /** The fields that are not there, of a store with `fields`. */
  readonly missing: readonly string[]
}

/** A row that was computed. */
export interface Computed {
  readonly key: string
  readonly value: unknown
  /** The fields that were computed; empty: the row as a whole. */
  readonly fields: readonly string[]
}

/** Reads and writes the rows of one store. */
export interface StoreSource {
  /** In the order of the keys. @throws anything: the store is unavailable */
  getMany(keys: readonly string[]): Promise<readonly StoredRow[]>
  setMany(rows: readonly Computed[], ttlMs: number): Promise<void>
}

/** A store that the author's functions read. */
export function ownSource(from: OwnRows<unknown>): StoreSource {
  return {
    async getMany(keys) {
      const values: unknown = await from.getMany(keys)
      if (!Array.isArray(values) || values.length !== keys.length) {
        throw new TypeError('getMany did not return one row for each key')
      }
      return values.map((value: unknown) => ({ value: value ?? undefined, missing: NONE }))
    },
    async setMany(rows, ttlMs) {
      const pairs = rows.map(({ key, value }) => [key, value] as const)
      await from.setMany?.(pairs, { ttlMs })
    },
  }
}

/** The most characters of a value in Redis. */
const MOST_CHARACTERS = 2 ** 20

/** A store in Redis: JSON under a key, or a key for each field. */
export function redisSource({ redis: rows }: RedisRows, redis: Pick<Redis, 'get' | 'set'>) {
  const { fields } = rows
  const named = fields ?? ['']
  return {
    async getMany(keys: readonly string[]): Promise<readonly StoredRow[]> {
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

    async setMany(computed: readonly Computed[], ttlMs: number): Promise<void> {
      const values = computed.flatMap(({ key, value, fields: own }) =>
        (fields === undefined ? named : own).flatMap((field) => {
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
function keyOf({ key: of }: RedisRows['redis'], key: string, field: string): string | null {
  try {
    const made: unknown = of(key, field)
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
  const own = fields.flatMap((field, i) => (values[i] === undefined ? [] : [[field, values[i]]]))
  return { value: Object.fromEntries(own) as Fields, missing }
}

/** Rows that are given instead of those of a store, for `dev` and tests. */
export class GivenSource implements StoreSource {
  readonly rows: Map<string, unknown>
  readonly #fields: readonly string[]

  constructor({ from }: StoreDefinition, rows: Iterable<readonly [string, unknown]>) {
    this.rows = new Map(rows)
    this.#fields = ('redis' in from ? from.redis.fields : undefined) ?? []
  }

  async getMany(keys: readonly string[]): Promise<readonly StoredRow[]> {
    return keys.map((key) => {
      const value = this.rows.get(key)
      const row = value ?? {}
      return { value, missing: this.#fields.filter((field) => !Object.hasOwn(row, field)) }
    })
  }

  async setMany(rows: readonly Computed[]): Promise<void> {
    for (const { key, value, fields } of rows) {
      const before = fields.length === 0 ? {} : (this.rows.get(key) as object | undefined)
      this.rows.set(key, { ...before, ...(value as object) })
    }
  }
}
