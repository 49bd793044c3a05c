/** Where the value of a record lies. */
export interface ValuePlace {
  memory: Memory
  /** −1: it has none. */
  valueStart: number
  valueEnd: number
  hasKey: boolean
}

/** Where key, value and headers of a record lie, as they stand in a batch. */
export interface PartsPlace {
  memory: Memory
  /** −1: they lie nowhere. */
  start: number
  end: number
}

/**
 * All of the memory that pieces of bytes share: whoever looks at many of them makes no object for
 * each.
 */
export class Memory {
  // Each for what it is quick at. (A loop over bytes is quick while all that it meets are of one
  // class.)
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly buffer: Buffer

  constructor(buffer: ArrayBufferLike) {
    this.bytes = new Uint8Array(buffer)
    this.view = new DataView(buffer)
    this.buffer = Buffer.from(buffer)
  }

  /** The UTF-8 from `from` up to `to`. */
  text(from: number, to: number): string {
    return this.buffer.toString('utf8', from, to)
  }
}

/** A place of nothing. */
export function valuePlace(): ValuePlace {
  return { memory: new Memory(new ArrayBuffer(0)), valueStart: -1, valueEnd: -1, hasKey: false }
}

/** A place of nothing. */
export function partsPlace(): PartsPlace {
  return { memory: new Memory(new ArrayBuffer(0)), start: -1, end: -1 }
}
