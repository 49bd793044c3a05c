/** A lookup table as an author holds it; `R` is its row. */
export interface Table<R> {
  readonly name: string
  readonly row?: R
}

/** The rows of a table, by key, as the engine sees them. */
export type Lookup = (table: string) => ReadonlyMap<string, unknown>
