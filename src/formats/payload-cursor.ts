import { isUtf8 } from 'node:buffer'
import { LIMITS } from './json/parse-json.ts'

// Walks over an encoded value before its library decodes it. The libraries believe the counts that
// they read, so a few bytes could make them allocate gigabytes. They make another text of one that
// is not UTF-8, and take the value of a map's key `__proto__` for the prototype of its object.

/** Most values in one record, because a schema can make any number of a few bytes. */
const MOST_VALUES = 2 ** 16
/** The end of the longest varint, ten bytes, as its next unit. */
const PAST_VARINT = 2 ** 70
const PROTO = Buffer.from('__proto__')

/** A value cannot be decoded. The message says why, without content of the value. */
export class Refusal extends Error {}

/** A place in an encoded value, and the rest of the limits of that value. */
export class PayloadCursor {
  bytes: Uint8Array = Buffer.alloc(0)
  at = 0
  to = 0
  #valuesLeft = 0
  #levelsLeft = 0

  begin(bytes: Uint8Array, from: number, to: number): void {
    this.bytes = bytes
    this.at = from
    this.to = to
    this.#valuesLeft = MOST_VALUES
    this.#levelsLeft = LIMITS.depth
  }

  count(values: number): void {
    this.expect(values)
    this.#valuesLeft -= values
  }

  /** @throws Refusal there are too many values, with so many more */
  expect(values: number): void {
    if (values <= this.#valuesLeft) return
    throw new Refusal(`it has more than ${MOST_VALUES.toLocaleString('en')} values`)
  }

  /** Enters a nested value, until {@link leave}. @throws Refusal it is nested too deep */
  enter(): void {
    if (this.#levelsLeft-- > 0) return
    throw new Refusal(`it is nested deeper than ${LIMITS.depth} levels`)
  }

  leave(): void {
    this.#levelsLeft++
  }

  /** @throws Refusal it is cut off */
  skip(bytes: number, end = this.to): void {
    this.at += bytes
    if (this.at > end) throw cutOff()
  }

  /** Reads a varint without a sign, beyond 2^53 inexactly. @throws Refusal it is cut off */
  varint(end = this.to): number {
    let [value, unit] = [0, 1]
    while (this.at < end && unit < PAST_VARINT) {
      const byte = this.bytes[this.at++] as number
      value += (byte & 0x7f) * unit
      if (byte < 0x80) return value
      unit *= 128
    }
    throw cutOff()
  }

  /** Reads a zigzag varint, beyond 2^53 inexactly. @throws Refusal it is cut off */
  signed(): number {
    const value = this.varint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  /** Reads a text. @throws Refusal it is cut off, or not UTF-8 */
  text(length: number, end = this.to): Uint8Array {
    const from = this.at
    this.skip(length, end)
    const text = this.bytes.subarray(from, this.at)
    if (!isUtf8(text)) throw new Refusal('a text is not UTF-8')
    return text
  }
}

export function cutOff(): Refusal {
  return new Refusal('it is cut off')
}

/** Refuses the key of a map that would become the prototype of its object. */
export function checkKey(key: Uint8Array): void {
  if (PROTO.equals(key)) throw new Refusal('a map has the key __proto__')
}

/** Moves behind a value. @throws Refusal it cannot be decoded */
export type Walk = (cursor: PayloadCursor) => void

/** Why a walk refuses a value; `null`: it does not. */
export function refusalOf(walk: Walk, cursor: PayloadCursor): string | null {
  try {
    walk(cursor)
    return null
  } catch (thrown) {
    if (thrown instanceof Refusal) return thrown.message
    throw thrown
  }
}
