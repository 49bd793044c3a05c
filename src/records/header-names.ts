/**
 * How many names are cached. A topology's outputs have fewer; dead letters bring the header names
 * of their source records.
 */
const MOST = 256

/** Caches the UTF-8 bytes of header names: most names repeat with every record. */
export class HeaderNames {
  readonly #known = new Map<string, Buffer>()

  bytesOf(name: string): Buffer {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    if (this.#known.size === MOST) this.#known.clear()
    const bytes = Buffer.from(name)
    this.#known.set(name, bytes)
    return bytes
  }
}
