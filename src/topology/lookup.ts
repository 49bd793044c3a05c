/** A declared lookup table, for {@link Kind.lookup}. `R` is the type of its rows. */
export interface Table<R> {
  /** The name given to {@link TopologyBuilder.table}. */
  readonly name: string
  /** Never present; it only carries the type. */
  readonly row?: R
}

/** Returns the rows of the table with the given name, by key. */
export type Lookup = (table: string) => ReadonlyMap<string, unknown>
