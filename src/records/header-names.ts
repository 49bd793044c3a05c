/** More different names than a topology's outputs have; dead letters bring those of others. */
const MOST = 256

/** The bytes of headers' names, most of which come again with every record. */
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
