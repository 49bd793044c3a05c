// Bytes in memory: where they are, buffers to write them to, and their hashes.

const WORD = 4
/**
 * Bytes, copied as a float64, unless it is NaN, whose bits may not survive. (A bigint allocates.)
 */
const TWO_WORDS = 8
/** More bytes are copied with one call. */
const LONG = 512
/** The most bytes that one UTF-16 code unit takes in UTF-8. */
const UTF8 = 3

/** A whole buffer that many slices share, so that no slice needs an object of its own. */
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

  constructor(of: string | Uint8Array) {
    const bytes = typeof of === 'string' ? Buffer.from(of) : of
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
 * A 32-bit hash of the bytes from `from` up to `to`: MurmurHash3 for x86 (Appleby, public domain),
 * with seed 0.
 */
export function hashOf({ view, bytes }: Memory, from: number, to: number): number {
  let hash = 0
  let at = from
  for (; at <= to - WORD; at += WORD) {
    hash ^= scrambled(view.getInt32(at, true))
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  let rest = 0
  for (let last = to - 1; last >= at; last--) rest = (rest << 8) | (bytes[last] as number)
  hash ^= scrambled(rest) ^ (to - from)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

function scrambled(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51)
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593)
}
