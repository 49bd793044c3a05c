import { refusePromise } from '../json/output.ts'
import type { OutputFormat } from '../output-format.ts'
import type { PayloadDecoder } from './payload-decoder.ts'
import type { PayloadEncoder } from './payload-encoder.ts'
import { shownJson } from './shown-json.ts'

/** Shows, as JSON, what a consumer reads of values that have a schema; needs no registry. */
export class ShownOutput implements OutputFormat {
  readonly #encoder: PayloadEncoder
  readonly #decoder: PayloadDecoder

  constructor(encoder: PayloadEncoder, decoder: PayloadDecoder) {
    this.#encoder = encoder
    this.#decoder = decoder
  }

  encode(value: unknown): Buffer {
    refusePromise(value)
    const payload = Buffer.from(this.#encoder.encode(value))
    return Buffer.from(shownJson(this.#decoder.decode(payload).value))
  }

  async settle(): Promise<void> {}
}
