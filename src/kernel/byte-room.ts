import type { Memory } from './memory.ts'

const FIRST_BYTES = 64 * 2 ** 10
/** What is copied in one go, bytes. Eight would be quicker, but a float64 may lose the bits of a NaN, and a bigint is an object. */
const WORD = 4

/** Bytes that are written again and again. */
export class Constant {
  readonly length: number
  readonly words: Int32Array

  constructor(of: string | Uint8Array) {
    const bytes = typeof of === 'string' ? Buffer.from(of) : of
    this.length = bytes.length
    this.words = new Int32Array(Math.ceil(bytes.length / WORD))
    const view = new DataView(this.words.buffer)
    for (const [i, byte] of bytes.entries()) view.setUint8(i, byte)
    for (let w = 0; w < this.words.length; w++) this.words[w] = view.getInt32(w * WORD, true)
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

  /** Makes sure that so many more bytes can be written, and a word behind them, for the next write to cover. */
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

  constant({ words, length }: Constant): void {
    this.reserve(length)
    const view = this.view
    let at = this.used
    for (let w = 0; w < words.length; w++, at += WORD) view.setInt32(at, words[w] as number, true)
    this.used += length
  }

  /** Appends the bytes from `from` up to `to`. */
  copy({ view: source, bytes }: Memory, from: number, to: number): void {
    this.reserve(to - from)
    const view = this.view
    const whole = Math.min(to, bytes.length - WORD)
    let at = this.used
    let k = from
    for (; k < whole; k += WORD, at += WORD) view.setInt32(at, source.getInt32(k, true), true)
    for (; k < to; k++, at++) view.setUint8(at, source.getUint8(k))
    this.used += to - from
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

function viewOf({ buffer, byteOffset, length }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, length)
}
