import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Formatted } from './source.ts'

/**
 * A lookup table, for {@link Kind.lookup}. `R` is a row, and `D` whether its rows may be
 * substitutes; they only carry types.
 */
export interface Table<R, N extends string = string, D = never> {
  /** The name given to {@link TopologyBuilder.table} or {@link TopologyBuilder.store}. */
  readonly name: N
  /** Never present; it only carries the type. */
  readonly row?: R
  /** Never present; it only carries the type. */
  readonly degraded?: D
}

export interface Rows {
  /** `undefined`: the key has no row. With `asOf`, the event's time picks the version. */
  get(key: string, timeMs: number): unknown
  /**
   * By feature, the standard deviation over all rows. @param drift the definition of a score step's
   * @default none is measured
   */
  deviationsOf?(drift: object): Float32Array
}

/** Keys to look up, and the times of their events, at the same places. */
export interface KeyedEvents {
  /** `null`: nothing is looked up for this event. */
  readonly keys: readonly (string | null)[]
  readonly timesMs: Float64Array
}

/** Rows of an online store, which must be fetched before they are read. */
export interface StoreRows {
  /** Fetches the rows of a batch of events. @returns `null`: there is nothing to wait for */
  fetch(events: KeyedEvents): Promise<void> | null
  /** The row of an event of that batch, its substitute, or `undefined`. */
  at(index: number): unknown
  /** Why the row that was read last is a substitute; `null`: it is not. */
  readonly degraded: string | null
}

/** By name of the table or online store. */
export type Lookup = (name: string) => Rows | StoreRows

interface AnyTableOptions<R> {
  /**
   * From when a row holds, ms since the epoch: an event gets the newest version of a key that is
   * not later than the event. @default the newest row
   */
  readonly asOf?: (row: R) => number
}

/**
 * A table whose rows are in a file. A file that cannot be read, and invalid rows, are refused at
 * start: `TABLE_INVALID`, with line numbers.
 */
export interface FileTableOptions<S extends StandardSchemaV1>
  extends AnyTableOptions<StandardSchemaV1.InferOutput<S>> {
  /** Validates each row. Any synchronous Standard Schema. */
  readonly schema: NoInfer<S>
  /** A string that is not empty, unique in the table; with `asOf`, unique at its time. */
  readonly key: (row: StandardSchemaV1.InferOutput<S>) => string
  /** Where the rows are: `file(url)`. */
  readonly from: { readonly file: URL; readonly topic?: never }
}

/**
 * A table whose rows are in a topic. An invalid record is logged and counted, and its key then has
 * no row.
 */
export interface TopicTableOptions<S extends StandardSchemaV1>
  extends AnyTableOptions<StandardSchemaV1.InferOutput<S>> {
  /**
   * Validates each row. Any synchronous Standard Schema, of values in JSON; `registry(schema)`
   * where they have schemas in a schema registry.
   */
  readonly schema: S | Formatted<S>
  /**
   * The key of a row: a string that is not empty. A record then replaces the row of the last
   * record with its record key, and a tombstone removes it. @default the record's key, as UTF-8
   */
  readonly key?: (row: StandardSchemaV1.InferOutput<S>) => string
  /** Where the rows are: `topic(name)`. */
  readonly from: { readonly topic: string; readonly file?: never }
}

/**
 * The file of a lookup table: one JSON object per line, in UTF-8, gzip-compressed if its name ends
 * in `.gz`. Blank lines are ignored. A worker reads it at start, and again whenever it has changed.
 */
export function file(url: URL): { readonly file: URL } {
  return { file: url }
}

/**
 * The topic of a lookup table: the newest record of a key is its row, and a tombstone, a record
 * without a value, removes it. A worker reads all partitions before its first event, then follows.
 */
export function topic(name: string): { readonly topic: string } {
  return { topic: name }
}
