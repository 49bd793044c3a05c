import type { StoreDefinition } from '../topology/definition.ts'
import type { OwnRows } from '../topology/store.ts'

/** Stands for a value that is there and is not a row. */
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

/** Reads and writes the rows of one online store. */
export interface StoreSource {
  /** In the order of the keys. @throws anything: the store is unavailable */
  getMany(keys: readonly string[]): Promise<readonly StoredRow[]>
  setMany(rows: readonly Computed[], ttlMs: number): Promise<void>
}

/** An online store that the author's functions read. */
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

const NONE: readonly string[] = []

/** Rows that are given instead of those of an online store, for `dev` and tests. */
export class GivenSource implements StoreSource {
  readonly rows: Map<string, unknown>
  readonly #fields: readonly string[]

  constructor({ from }: StoreDefinition, rows: Iterable<readonly [string, unknown]>) {
    this.rows = new Map(rows)
    this.#fields = ('connector' in from ? from.options.fields : undefined) ?? []
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
