/** Where the value of a record lies. */
export interface ValuePlace {
  memory: Memory
  /** −1: it has none. */
  valueStart: number
  valueEnd: number
  hasKey: boolean
}

/** All of the memory that pieces of bytes share: whoever looks at many of them makes no object for each. */
export class Memory {
  // Each for what it is quick at. (A loop over bytes is quick while all that it meets are of one class.)
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly #texts: Buffer

  constructor(buffer: ArrayBufferLike) {
    this.bytes = new Uint8Array(buffer)
    this.view = new DataView(buffer)
    this.#texts = Buffer.from(buffer)
  }

  /** The UTF-8 from `from` up to `to`. */
  text(from: number, to: number): string {
    return this.#texts.toString('utf8', from, to)
  }
}

/** A place of nothing. */
export function valuePlace(): ValuePlace {
  return { memory: new Memory(new ArrayBuffer(0)), valueStart: -1, valueEnd: -1, hasKey: false }
}
