import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Formatted } from './source.ts'

/** A declared lookup table, for {@link Kind.lookup}. `R` is a row, `N` the table's name. */
export interface Table<R, N extends string = string> {
  /** The name given to {@link TopologyBuilder.table}. */
  readonly name: N
  /** Never present; it only carries the type. */
  readonly row?: R
}

/** The rows of a table, as an event finds them. */
export interface Rows {
  /**
   * `undefined`: the key has no row. With `asOf`, `timeMs` is the event's: it picks the version.
   */
  get(key: string, timeMs: number): unknown
}

/** The rows of a table, by its name. */
export type Lookup = (table: string) => Rows

interface AnyTableOptions<R> {
  /**
   * The time from which a row holds, ms since the epoch: the table then keeps the versions of each
   * key, and an event gets the newest version that is not later than the event. @default each event
   * gets the newest row
   */
  readonly asOf?: (row: R) => number
}

/** Options of a table whose rows are in a file. */
export interface FileTableOptions<S extends StandardSchemaV1>
  extends AnyTableOptions<StandardSchemaV1.InferOutput<S>> {
  /**
   * Validates each row. Any synchronous Standard Schema. It is inferred from the `schema` of {@link
   * TopicTableOptions}, which may also be one with a format.
   */
  readonly schema: NoInfer<S>
  /**
   * The key of a row: a string that is not empty, unique in the table; with `asOf`, key and time
   * are unique together.
   */
  readonly key: (row: StandardSchemaV1.InferOutput<S>) => string
  /** Where the rows are: `file(url)`. */
  readonly from: { readonly file: URL; readonly topic?: never }
}

/** Options of a table whose rows are in a topic. */
export interface TopicTableOptions<S extends StandardSchemaV1>
  extends AnyTableOptions<StandardSchemaV1.InferOutput<S>> {
  /**
   * Validates each row. Any synchronous Standard Schema; `registry(schema)` where the values have
   * schemas in a schema registry, else they are JSON.
   */
  readonly schema: S | Formatted<S>
  /**
   * The key of a row: a string that is not empty. A record then replaces what the record of the
   * same record key gave before, and a tombstone removes it. @default the record's key, as UTF-8
   */
  readonly key?: (row: StandardSchemaV1.InferOutput<S>) => string
  /** Where the rows are: `topic(name)`. */
  readonly from: { readonly topic: string; readonly file?: never }
}

/**
 * The file of a lookup table, for {@link TopologyBuilder.table}: one JSON object per line, in
 * UTF-8, gzip-compressed if its name ends in `.gz`. Blank lines are ignored. A worker reads it when
 * it starts, and again whenever it has changed.
 */
export function file(url: URL): { readonly file: URL } {
  return { file: url }
}

/**
 * The topic of a lookup table, for {@link TopologyBuilder.table}: the newest record of a key is its
 * row, and a record without a value, a tombstone, removes it. A worker reads the whole topic before
 * its first event, every partition of it, and then follows it.
 */
export function topic(name: string): { readonly topic: string } {
  return { topic: name }
}
