/** A lookup table as an author holds it, for {@link Kind.lookup}; `R` is its row. */
export interface Table<R> {
  /** As {@link TopologyBuilder.table} was told it. */
  readonly name: string
  /** Never there: it carries the type. */
  readonly row?: R
}

/** The rows of a table, by key, as the engine sees them. */
export type Lookup = (table: string) => ReadonlyMap<string, unknown>
