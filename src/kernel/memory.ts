/** Location of a record's value. */
export interface ValuePlace {
  memory: Memory
  /** −1: the record has no value. */
  valueStart: number
  valueEnd: number
  hasKey: boolean
}

/** Location of a record's key, value and headers, as encoded in a batch. */
export interface PartsPlace {
  memory: Memory
  /** −1: nowhere. */
  start: number
  end: number
}

/**
 * A whole buffer that many slices share. Code that reads many slices needs no object for each of
 * them.
 */
export class Memory {
  // Three views, each used for what it is fastest at. (A loop over bytes is fast only while all
  // arrays that it sees are of one class.)
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
