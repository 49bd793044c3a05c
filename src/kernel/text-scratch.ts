import { Memory } from './memory.ts'

const FIRST_BYTES = 1_024
/** The most bytes that one UTF-16 code unit takes in UTF-8. */
const UTF8 = 3

/** A reusable buffer for the UTF-8 of one text at a time. */
export class TextScratch {
  #bytes = Buffer.alloc(FIRST_BYTES)
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
