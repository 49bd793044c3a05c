import { checksum, Memory, TextScratch } from '../../kernel/bytes.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import type { Cell } from '../../topology/definition.ts'

/** Features of a key, or an open window's result so far, by name. */
export type Peeked = Readonly<Record<string, Cell | null>>

/** An operator's state, by key number. Read methods do not change it. */
export interface KeyedState {
  readonly size: number
  has(key: number): boolean
  /** @returns the round, to which all changes from now on belong */
  beginRound(): number
  /** Keys with state that have changed in a round or later, page by page. */
  changedSince(round: number): Generator<readonly number[]>
  /** All that is kept of a key, for {@link restore}; `null`: nothing is. */
  encode(key: number): Uint8Array | null
  /**
   * Restores a key without state.
   * @throws TidemarkError `STATE_UNREADABLE`: another version wrote it, or it is not what was
   * written
   */
  restore(key: number, bytes: Uint8Array): void
  /**
   * Evicts keys that the watermark has left behind, checking at most `most`. Tumbling windows evict
   * keys as they close.
   */
  expire(watermarkMs: number, most: number): void
  peek(key: number, at: { timeMs: number; watermarkMs: number }): readonly Peeked[]
}

// A key's state as bytes: a version, the contents in the order of writing, a checksum over both.
// Numbers are big-endian; texts are UTF-8 preceded by their length.

/** No other version is read. */
export const STATE_VERSION = 1
const VERSION_BYTES = 1
const CHECKSUM_BYTES = 4
const FIRST_BYTES = 256
const NUMBER = 0
const FALSE = 1
const TRUE = 2
const TEXT = 3
/** UTF-16 code units: a text with half a surrogate pair has no UTF-8. */
const UNITS = 4

export class StateWriter {
  #bytes = new Uint8Array(FIRST_BYTES)
  #view = new DataView(this.#bytes.buffer)
  #used = VERSION_BYTES
  readonly #scratch = new TextScratch()

  constructor() {
    this.#bytes[0] = STATE_VERSION
  }

  /** 0 to 2^32 − 1. */
  whole(value: number): void {
    const at = this.#reserve(4)
    this.#view.setUint32(at, value)
  }

  number(value: number): void {
    const at = this.#reserve(8)
    this.#view.setFloat64(at, value)
  }

  cell(cell: Cell): void {
    if (typeof cell === 'number') {
      this.#tag(NUMBER)
      this.number(cell)
    } else if (typeof cell === 'boolean') this.#tag(cell ? TRUE : FALSE)
    else if (cell.isWellFormed()) this.#text(cell)
    else this.#units(cell)
  }

  end(): Uint8Array {
    const sum = checksum(this.#bytes.subarray(0, this.#used))
    this.whole(sum)
    return this.#bytes.slice(0, this.#used)
  }

  #tag(tag: number): void {
    const at = this.#reserve(1)
    this.#bytes[at] = tag
  }

  #text(text: string): void {
    this.#tag(TEXT)
    const length = this.#scratch.write(text)
    this.whole(length)
    const at = this.#reserve(length)
    this.#bytes.set(this.#scratch.memory.bytes.subarray(0, length), at)
  }

  #units(text: string): void {
    this.#tag(UNITS)
    this.whole(text.length)
    for (let i = 0; i < text.length; i++) {
      const at = this.#reserve(2)
      this.#view.setUint16(at, text.charCodeAt(i))
    }
  }

  /** @returns where the next bytes go */
  #reserve(more: number): number {
    const at = this.#used
    if (at + more > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(at + more, this.#bytes.length * 2))
      grown.set(this.#bytes)
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    this.#used = at + more
    return at
  }
}

export class StateReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = VERSION_BYTES

  /**
   * @throws TidemarkError `STATE_UNREADABLE`: another version wrote it, or it is not what was
   * written
   */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const end = bytes.length - CHECKSUM_BYTES
    if (end < VERSION_BYTES) throw unreadable(`it has ${bytes.length} bytes`)
    if (bytes[0] !== STATE_VERSION) {
      throw unreadable(`it has version ${bytes[0]}, but only version ${STATE_VERSION} can be read`)
    }
    if (this.#view.getUint32(end) !== checksum(bytes.subarray(0, end))) {
      throw unreadable('its checksum does not match')
    }
  }

  whole(): number {
    return this.#view.getUint32(this.#skip(4))
  }

  number(): number {
    return this.#view.getFloat64(this.#skip(8))
  }

  cell(): Cell {
    const tag = this.#bytes[this.#skip(1)]
    if (tag === NUMBER) return this.number()
    if (tag === FALSE || tag === TRUE) return tag === TRUE
    return tag === TEXT ? this.#text() : this.#units()
  }

  #text(): string {
    const length = this.whole()
    const at = this.#bytes.byteOffset + this.#skip(length)
    return new Memory(this.#bytes.buffer).text(at, at + length)
  }

  #units(): string {
    const length = this.whole()
    let text = ''
    for (let i = 0; i < length; i++) {
      text += String.fromCharCode(this.#view.getUint16(this.#skip(2)))
    }
    return text
  }

  #skip(bytes: number): number {
    const at = this.#at
    this.#at += bytes
    return at
  }
}

function unreadable(why: string): TidemarkError {
  return new TidemarkError('STATE_UNREADABLE', `the state of a key cannot be read: ${why}`)
}
