import type { Memory } from './memory.ts'

const FIRST_BYTES = 64 * 2 ** 10
/** Bytes copied at a time near the end of a copy. */
const WORD = 4
/**
 * Bytes copied at a time before that: read as a float64, unless it is NaN, whose bits may not
 * survive. (A bigint would allocate an object.)
 */
const TWO_WORDS = 8

/** The most bytes that one UTF-16 code unit takes in UTF-8. */
const MOST_OF_A_UNIT = 3

/** Bytes that are written many times. */
export class Constant {
  readonly length: number
  /** The bytes, padded to whole words. */
  readonly view: DataView

  constructor(of: string | Uint8Array) {
    const bytes = typeof of === 'string' ? Buffer.from(of) : of
    this.length = bytes.length
    this.view = new DataView(new ArrayBuffer(Math.ceil(bytes.length / WORD) * WORD))
    for (const [i, byte] of bytes.entries()) this.view.setUint8(i, byte)
  }
}

/** A byte buffer that is written from the front, grows when it is full, and is reused. */
export class ByteRoom {
  /** The memory; replaced by a larger buffer when it grows. */
  bytes: Buffer
  /** Bytes written so far. Code that writes into `bytes` directly must advance it. */
  used = 0
  /** A view of the same memory. */
  view: DataView

  /** @param bytes initial capacity */
  constructor(bytes: number = FIRST_BYTES) {
    this.bytes = Buffer.allocUnsafe(bytes)
    this.view = viewOf(this.bytes)
  }

  /** Bytes that can be written before the buffer grows. */
  get left(): number {
    return this.bytes.length - this.used - WORD
  }

  /**
   * Ensures room for `more` bytes and for one word after them, since a copy may write past its end
   * up to a whole word.
   */
  reserve(more: number): void {
    if (this.used + more + WORD > this.bytes.length) this.#grow(more)
  }

  /** Starts over from the front; what was written may be overwritten. */
  clear(): void {
    this.used = 0
  }

  /** Appends one byte. */
  byte(byte: number): void {
    this.reserve(1)
    this.bytes[this.used++] = byte
  }

  /** Appends a constant. */
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

  /** Appends bytes that have a buffer of their own. */
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

/** The range to copy, and where to copy it. */
interface CopyRange {
  readonly from: number
  readonly to: number
  readonly into: number
}

/**
 * Copies pairs of words while a whole pair is left. Returns the position where it stopped, less
 * than a pair before the end.
 */
export function copyPairs(
  source: DataView,
  target: DataView,
  { from, to, into }: CopyRange,
): number {
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
