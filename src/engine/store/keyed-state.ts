import { ByteRoom, checksum, Memory } from '../../kernel/bytes.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import type { Cell } from '../../topology/definition.ts'

/** Features of a key, or an open window's result so far, by name. */
export type Peeked = Readonly<Record<string, Cell | null>>

/** An operator's state, by key number. Read methods do not change it. */
export interface KeyedState {
  /** Approximate, over all keys. */
  readonly bytes: number
  readonly texts: number
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
  peek(key: number, at: { timeMs: number; watermarkMs: number }): readonly Peeked[]
}

// A key's state as bytes: a version, the contents in the order of writing, a checksum over both.
// Numbers are big-endian; texts are UTF-8 preceded by their length.

/** No other version is read. */
export const STATE_VERSION = 1
const VERSION_BYTES = 1
const CHECKSUM_BYTES = 4
const FIRST_BYTES = 256
/** The most bytes of one UTF-16 code unit, in either encoding. */
const UNIT_BYTES = 3
const NUMBER = 0
const FALSE = 1
const TRUE = 2
const TEXT = 3
/** UTF-16 code units, little-endian: a text with half a surrogate pair has no UTF-8. */
const UNITS = 4

export class StateWriter {
  readonly #room = new ByteRoom(FIRST_BYTES)

  constructor() {
    this.#room.byte(STATE_VERSION)
  }

  /** 0 to 2^32 − 1. */
  whole(value: number): void {
    this.#room.reserve(4)
    this.#room.used = this.#room.bytes.writeUInt32BE(value, this.#room.used)
  }

  number(value: number): void {
    this.#room.reserve(8)
    this.#room.used = this.#room.bytes.writeDoubleBE(value, this.#room.used)
  }

  cell(cell: Cell): void {
    if (typeof cell === 'number') {
      this.#room.byte(NUMBER)
      this.number(cell)
    } else if (typeof cell === 'boolean') this.#room.byte(cell ? TRUE : FALSE)
    else if (cell.isWellFormed()) this.#text(TEXT, cell, 'utf8')
    else this.#text(UNITS, cell, 'utf16le')
  }

  end(): Uint8Array {
    this.whole(checksum(this.#room.bytes.subarray(0, this.#room.used)))
    return new Uint8Array(this.#room.bytes.subarray(0, this.#room.used))
  }

  #text(tag: number, text: string, encoding: 'utf8' | 'utf16le'): void {
    this.#room.byte(tag)
    this.#room.reserve(4 + UNIT_BYTES * text.length)
    const { bytes, used } = this.#room
    const length = bytes.write(text, used + 4, encoding)
    this.#room.used = bytes.writeUInt32BE(length, used) + length
  }
}

export class StateReader {
  readonly #bytes: Memory['buffer']
  #at = VERSION_BYTES

  /**
   * @throws TidemarkError `STATE_UNREADABLE`: another version wrote it, or it is not what was
   * written
   */
  constructor(bytes: Uint8Array) {
    this.#bytes = new Memory(new Uint8Array(bytes).buffer).buffer
    const end = bytes.length - CHECKSUM_BYTES
    if (end < VERSION_BYTES) throw unreadable(`it has ${bytes.length} bytes`)
    if (bytes[0] !== STATE_VERSION) {
      throw unreadable(`it has version ${bytes[0]}, but only version ${STATE_VERSION} can be read`)
    }
    if (this.#bytes.readUInt32BE(end) !== checksum(bytes.subarray(0, end))) {
      throw unreadable('its checksum does not match')
    }
  }

  whole(): number {
    return this.#bytes.readUInt32BE(this.#skip(4))
  }

  number(): number {
    return this.#bytes.readDoubleBE(this.#skip(8))
  }

  cell(): Cell {
    const tag = this.#bytes[this.#skip(1)]
    if (tag === NUMBER) return this.number()
    if (tag === FALSE || tag === TRUE) return tag === TRUE
    const length = this.whole()
    const at = this.#skip(length)
    return this.#bytes.toString(tag === TEXT ? 'utf8' : 'utf16le', at, at + length)
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
