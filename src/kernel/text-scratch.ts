import { Memory } from './memory.ts'

const FIRST_BYTES = 1_024
/** Of a unit of a text, at most. */
const UTF8 = 3

/** Room for the UTF-8 of one text after the other. */
export class TextScratch {
  #bytes = Buffer.alloc(FIRST_BYTES)
  memory = new Memory(this.#bytes.buffer)

  /** @returns its bytes, from the beginning of `memory` */
  write(text: string): number {
    if (text.length * UTF8 > this.#bytes.length) {
      this.#bytes = Buffer.alloc(text.length * UTF8 * 2)
      this.memory = new Memory(this.#bytes.buffer)
    }
    return this.#bytes.write(text)
  }
}
