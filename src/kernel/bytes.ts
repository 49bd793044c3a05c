// Bytes in memory: where they are, buffers to write them to, and their hashes.

const WORD = 4
/**
 * Bytes, copied as a float64, unless it is NaN, whose bits may not survive. (A bigint allocates.)
 */
const TWO_WORDS = 8
/** More bytes are copied with one call. */
const LONG = 512
/** Gives the upper word of a product of two, but for rounding. */
const UPPER = 2 ** -32
/** The most bytes that one UTF-16 code unit takes in UTF-8. */
const UTF8 = 3

/** A whole buffer that many slices share, so that no slice needs an object of its own. */
export class Memory {
  // Three views, each used where it is the fastest. (A loop over bytes is fast only while all
  // arrays that it sees are of one class.)
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly buffer: Buffer

  constructor(buffer: ArrayBufferLike) {
    this.bytes = new Uint8Array(buffer)
    this.view = new DataView(buffer)
    this.buffer = Buffer.from(buffer)
  }

  text(from: number, to: number): string {
    return this.buffer.toString('utf8', from, to)
  }
}

/** Where bytes lie. Reused for the next ones. */
export class Place {
  memory = new Memory(new ArrayBuffer(0))
  /** −1: nowhere. */
  from = -1
  to = -1
}

/** Bytes that are written many times. */
export class Constant {
  readonly length: number
  /** The bytes, padded to whole words. */
  readonly view: DataView

  constructor(content: string | Uint8Array) {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content
    this.length = bytes.length
    const padded = new Uint8Array(Math.ceil(bytes.length / WORD) * WORD)
    padded.set(bytes)
    this.view = new DataView(padded.buffer)
  }
}

/** A byte buffer that is written from the front, grows when it is full, and is reused. */
export class ByteRoom {
  /** Replaced by a larger one when it grows. */
  bytes: Buffer
  /** Bytes written so far. Code that writes into `bytes` directly must advance it. */
  used = 0
  view: DataView

  constructor(bytes: number = 64 * 2 ** 10) {
    this.bytes = Buffer.allocUnsafe(bytes)
    this.view = viewOf(this.bytes)
  }

  get left(): number {
    return this.bytes.length - this.used - WORD
  }

  /**
   * Ensures room for `more` bytes and for one word after them, because a copy may write past its
   * end up to a whole word.
   */
  reserve(more: number): void {
    if (this.used + more + WORD > this.bytes.length) this.#grow(more)
  }

  clear(): void {
    this.used = 0
  }

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

  copy({ view: source, buffer }: Pick<Memory, 'view' | 'buffer'>, from: number, to: number): void {
    if (to - from > LONG) return this.append(buffer.subarray(from, to))
    this.reserve(to - from)
    const view = this.view
    const whole = Math.min(to, buffer.length - WORD)
    let k = copyPairs(source, view, { from, to, into: this.used })
    let at = this.used + k - from
    for (; k < whole; k += WORD, at += WORD) view.setInt32(at, source.getInt32(k, true), true)
    for (; k < to; k++, at++) view.setUint8(at, source.getUint8(k))
    this.used += to - from
  }

  text(text: string): void {
    this.reserve(UTF8 * text.length)
    this.used += this.bytes.write(text, this.used)
  }

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

interface CopyRange {
  readonly from: number
  readonly to: number
  readonly into: number
}

/** Copies whole pairs of words. @returns where it stopped, less than a pair before the end */
function copyPairs(source: DataView, target: DataView, { from, to, into }: CopyRange): number {
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

/** A reusable buffer for the UTF-8 of one text at a time. */
export class TextScratch {
  #bytes = Buffer.alloc(1_024)
  memory = new Memory(this.#bytes.buffer)

  /** Writes a text to the beginning of `memory`. @returns its length in UTF-8, bytes */
  write(text: string): number {
    if (text.length * UTF8 > this.#bytes.length) {
      this.#bytes = Buffer.alloc(text.length * UTF8 * 2)
      this.memory = new Memory(this.#bytes.buffer)
    }
    return this.#bytes.write(text)
  }
}

/**
 * 32-bit hashes for tables in memory. Without its secret nobody can choose keys that collide, as
 * under a hash that everybody can compute (Crosby and Wallach, "Denial of service via algorithmic
 * complexity attacks", 2003). Nothing that leaves the process may depend on it.
 *
 * A pair of words is xored with a secret state, multiplied, and both halves of the product are the
 * next state, as in wyhash32 (Wang Yi, public domain). A difference between two keys is thus
 * multiplied by a number that nobody knows; under MurmurHash3 some differences cancel whatever the
 * seed is (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).
 */
export class KeyedHash {
  readonly #secret: Int32Array

  /** @param secret four words */
  constructor(secret: Iterable<number>) {
    this.#secret = Int32Array.from(secret)
  }

  /** The hash of the bytes at `from` ≤ i < `to`. */
  of({ view, bytes }: Memory, from: number, to: number): number {
    const secret = this.#secret
    let a = secret[0] as number
    let b = secret[1] as number
    const c = secret[2] as number
    const d = secret[3] as number
    let at = from
    for (; at <= to - TWO_WORDS; at += TWO_WORDS) {
      const x = (a ^ view.getInt32(at, true)) >>> 0
      const y = (b ^ view.getInt32(at + WORD, true)) >>> 0
      // Products alone would end at zero if all words are zero.
      a = Math.imul(x, y) ^ c
      b = (x * y * UPPER) ^ d
    }
    if (at <= to - WORD) {
      b ^= view.getInt32(at, true)
      at += WORD
    }
    let rest = to - from
    for (; at < to; at++) rest = (rest << 8) | (bytes[at] as number)
    const x = (a ^ rest) >>> 0
    const y = b >>> 0
    const u = (Math.imul(x, y) ^ c) >>> 0
    const v = ((x * y * UPPER) ^ d) >>> 0
    return Math.imul(u, v) ^ (u * v * UPPER)
  }

  ofNumber(number: number): number {
    const product = Math.imul(number, (this.#secret[3] as number) | 1)
    return product ^ (product >>> 15)
  }
}
