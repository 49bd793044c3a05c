import type { Memory } from './memory.ts'

const FIRST_BYTES = 64 * 2 ** 10
/** What is copied in one go at an end, bytes. */
const WORD = 4
/**
 * And before it: as a float64, unless that is NaN, of which bits may be lost. A bigint would be an
 * object.
 */
const TWO_WORDS = 8

/** Bytes that a unit of UTF-16 may take in UTF-8. */
const MOST_OF_A_UNIT = 3

/** Bytes that are written again and again. */
export class Constant {
  readonly length: number
  /** Of whole words. */
  readonly view: DataView

  constructor(of: string | Uint8Array) {
    const bytes = typeof of === 'string' ? Buffer.from(of) : of
    this.length = bytes.length
    this.view = new DataView(new ArrayBuffer(Math.ceil(bytes.length / WORD) * WORD))
    for (const [i, byte] of bytes.entries()) this.view.setUint8(i, byte)
  }
}

/** Memory that is written from the front, grows, and is used again. */
export class ByteRoom {
  /** Another one after it has grown. */
  bytes: Buffer
  /** Bytes written; who writes into `bytes` by hand moves it. */
  used = 0
  /** The same memory. */
  view: DataView

  /** @param bytes that it has room for at first */
  constructor(bytes: number = FIRST_BYTES) {
    this.bytes = Buffer.allocUnsafe(bytes)
    this.view = viewOf(this.bytes)
  }

  /** Bytes that can be written before it grows. */
  get left(): number {
    return this.bytes.length - this.used - WORD
  }

  /**
   * Makes sure that so many more bytes can be written, and a word behind them, for the next write
   * to cover.
   */
  reserve(more: number): void {
    if (this.used + more + WORD > this.bytes.length) this.#grow(more)
  }

  /** Begins again: what was written may be overwritten. */
  clear(): void {
    this.used = 0
  }

  /** Appends one byte. */
  byte(byte: number): void {
    this.reserve(1)
    this.bytes[this.used++] = byte
  }

  constant({ view, length }: Constant): void {
    this.reserve(length)
    const begin = this.used
    let k = copyPairs(view, this.view, { from: 0, to: length, into: begin })
    for (; k < length; k += WORD) this.view.setInt32(begin + k, view.getInt32(k, true), true)
    this.used += length
  }

  /** Appends the bytes from `from` up to `to`. */
  copy({ view: source, bytes }: Memory, from: number, to: number): void {
    this.reserve(to - from)
    const view = this.view
    const whole = Math.min(to, bytes.length - WORD)
    let k = copyPairs(source, view, { from, to, into: this.used })
    let at = this.used + k - from
    for (; k < whole; k += WORD, at += WORD) view.setInt32(at, source.getInt32(k, true), true)
    for (; k < to; k++, at++) view.setUint8(at, source.getUint8(k))
    this.used += to - from
  }

  /** Appends a text in UTF-8. */
  text(text: string): void {
    this.reserve(MOST_OF_A_UNIT * text.length)
    this.used += this.bytes.write(text, this.used)
  }

  /** Appends bytes of no memory that others share. */
  append(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.bytes.set(bytes, this.used)
    this.used += bytes.length
  }

  #grow(more: number): void {
    const grown = Buffer.allocUnsafe(2 * (this.used + more + WORD))
    this.bytes.copy(grown, 0, 0, this.used)
    this.bytes = grown
    this.view = viewOf(grown)
  }
}

/** Where bytes are copied from, and to. */
interface Stretch {
  readonly from: number
  readonly to: number
  readonly into: number
}

/**
 * Copies what there is of pairs of words; gives where that ends, less than a pair before the end.
 */
export function copyPairs(source: DataView, target: DataView, { from, to, into }: Stretch): number {
  const shift = into - from
  let k = from
  for (; k <= to - TWO_WORDS; k += TWO_WORDS) {
    const pair = source.getFloat64(k, true)
    if (Number.isNaN(pair)) {
      target.setInt32(k + shift, source.getInt32(k, true), true)
      target.setInt32(k + shift + WORD, source.getInt32(k + WORD, true), true)
    } else target.setFloat64(k + shift, pair, true)
  }
  return k
}

function viewOf({ buffer, byteOffset, length }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, length)
}
