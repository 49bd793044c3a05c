/** A row, by its key and the time from which it holds. */
export interface Place {
  readonly key: string
  readonly timeMs: number
}

/**
 * Which record put which row, of a table whose rows have another key than their records. It is then
 * the record that a tombstone removes, and that a later record of its key replaces.
 */
export class RecordKeys {
  readonly #placeOf = new Map<string, Place>()
  /** By {@link nameOf}: the record that put the row last. */
  readonly #recordOf = new Map<string, string>()

  /** The record has put a row. @returns the row that this has replaced; `null`: none */
  put(record: string, place: Place): Place | null {
    const replaced = this.remove(record)
    this.#placeOf.set(record, place)
    const name = nameOf(place)
    const earlier = this.#recordOf.get(name)
    if (earlier !== undefined) this.#placeOf.delete(earlier)
    this.#recordOf.set(name, record)
    return replaced !== null && nameOf(replaced) === name ? null : replaced
  }

  /** The record is gone. @returns its row; `null`: it has none, or another record put it since */
  remove(record: string): Place | null {
    const place = this.#placeOf.get(record)
    if (place === undefined) return null
    this.#placeOf.delete(record)
    const name = nameOf(place)
    if (this.#recordOf.get(name) !== record) return null
    this.#recordOf.delete(name)
    return place
  }
}

function nameOf({ key, timeMs }: Place): string {
  return `${timeMs} ${key}`
}
