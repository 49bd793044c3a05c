import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { DurationMs } from '../kernel/time.ts'
import type { Table } from './lookup.ts'

// Online stores: rows that a service outside holds, such as the features of cards in Redis.

/** An online store, for {@link Kind.lookup}. `R`, which only carries a type, is a row. */
export type Store<R, N extends string = string> = Table<R, N, boolean>

/** Rows in a system outside, as {@link redis} says. */
export interface KeyedRows {
  /** The name of the connector to the system. */
  readonly connector: string
  /** Where the rows are in it. */
  readonly options: {
    readonly key: (key: string, field: string) => string
    readonly fields?: readonly string[]
  }
}

type Part<T> = T extends object ? { readonly [K in keyof T]?: T[K] } : never

/** Rows in any other online store. A promise that rejects: the store is unavailable. */
export interface OwnRows<V> {
  /** The rows of keys, in their order, each as the schema takes it; `null` or `undefined`: none. */
  readonly getMany: (keys: readonly string[]) => Promise<readonly (V | null | undefined)[]>
  /** Writes rows that `onMiss` has computed. */
  readonly setMany?: (
    rows: readonly (readonly [key: string, row: V])[],
    o: { ttlMs: number },
  ) => Promise<void>
}

/**
 * Options of an online store. A look-up asks it only for keys that are not in the worker's memory;
 * those of a batch of events are asked for together. A replay asks nothing.
 */
export interface StoreOptions<S extends StandardSchemaV1> {
  /** Validates each row. Any synchronous Standard Schema. A row that it refuses is missing. */
  readonly schema: S
  /** Where the rows are: `redis({ key })`, or functions that read any other store. */
  readonly from: NoInfer<KeyedRows | OwnRows<StandardSchemaV1.InferInput<S>>>
  /**
   * How long a row is used without asking again, and that there is none. 0: every batch of events
   * asks. @default 0
   */
  readonly fresh?: DurationMs
  /** How long after that a row is still used, while it is asked for behind. @default 0 */
  readonly stale?: DurationMs
  /** The most rows in memory; those unused for longest go first, to within 10 s. Whole, from 1. @default 100,000 */
  readonly maxEntries?: number
  /** The longest that events wait for the store, and for `onMiss`. Above 0. @default 20 ms */
  readonly deadline?: DurationMs
  /** The time of a row, ms since the epoch. A row later than its event is used, and counted. */
  readonly at?: (row: StandardSchemaV1.InferOutput<S>) => number
  /** A row older than this before its event is missing. Needs `at`. @default any row is used */
  readonly maxAge?: DurationMs
  /**
   * Computes a row that the store lacks, within the deadline, as the schema takes it; `null` or
   * `undefined`: there is nothing. One that throws or rejects: as if the store were unavailable.
   * @param missing the fields to compute, of a store with `fields`; empty for others
   * @default nothing is computed
   */
  readonly onMiss?: (
    key: string,
    missing: readonly string[],
  ) => Promise<Part<StandardSchemaV1.InferInput<S>> | null | undefined>
  /** Writes the results of `onMiss` into the store, for `ttl`. @default it is not written */
  readonly writeBack?: { readonly ttl: DurationMs }
  /**
   * The row of a key that has none, or that the store does not give in time; with `fields`, also
   * the fields that are missing. @default none: features are NaN, which a model must take
   */
  readonly fallback?: Part<StandardSchemaV1.InferOutput<S>>
}

/** A sink in a system outside named `N`, for values `V`, as {@link redis} says. */
export interface SystemSink<N extends string, V> {
  readonly connector: string
  readonly name: N
  /** `null`: the key of the input record, or of the tumbling window. */
  readonly key: ((value: V) => string) | null
  readonly options: Readonly<Record<string, unknown>>
}

/**
 * A sink in Redis: the JSON of each value, under a key. A value replaces only values of earlier
 * events, by event time, then topic, partition and offset; its version is beside it, under
 * `{key}:tidemark`.
 * @param o `key`: a string that is not empty, else `KEY_INVALID`; `ttl`: how long a value stays
 * @default of `ttl`: for ever
 */
export function redis<V, const N extends string>(o: {
  readonly name: N
  readonly key: (value: V) => string
  readonly ttl?: DurationMs
}): SystemSink<N, V>
/**
 * Rows of a {@link TopologyBuilder.store} in Redis, whose address a worker has to be told
 * (`--redis`): JSON under a key; with `fields`, the JSON of each field under a key of its own.
 */
export function redis<const F extends string = never>(o: {
  readonly fields?: readonly F[]
  readonly key: (key: string, field: F) => string
}): KeyedRows
export function redis({
  name,
  key,
  fields,
  ttl: ttlMs = null,
}: {
  readonly name?: string
  readonly key: (value: never, field: string) => string
  readonly fields?: readonly string[]
  readonly ttl?: number | null
}): KeyedRows | SystemSink<string, never> {
  if (name !== undefined) {
    return { connector: 'redis', name, key: key as (value: never) => string, options: { ttlMs } }
  }
  const options = { key: key as KeyedRows['options']['key'], ...(fields && { fields }) }
  return { connector: 'redis', options }
}
