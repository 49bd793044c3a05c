import {
  agrees,
  compareOutputs,
  type Expectation,
  expectedOf,
  linesOfFile,
  openModel,
} from './check.ts'
import { SEED } from './input.ts'
import { modelFile } from './measurements.ts'
import { paymentLines } from './payments.ts'

/** The expected outputs of W1 for the first payments of the stream. */
export class Answers {
  readonly #events: number
  /** By model. */
  readonly #expected = new Map<string, Expectation>()

  constructor(events: number) {
    this.#events = events
  }

  /**
   * Checks the outputs in a file.
   *
   * @throws Error when some are missing, repeated, unexpected or wrong
   */
  async check(model: string, file: string): Promise<void> {
    const expected = this.#expected.get(model) ?? (await this.#expect(model))
    this.#expected.set(model, expected)
    const verdict = await compareOutputs(expected, linesOfFile(file))
    if (!agrees(verdict)) throw new Error(`wrong answers: ${JSON.stringify(verdict)}`)
  }

  async #expect(model: string): Promise<Expectation> {
    const runner = await openModel(modelFile(model))
    try {
      return await expectedOf(payments(this.#events), runner)
    } finally {
      await runner.close()
    }
  }
}

function* payments(events: number): Generator<Buffer> {
  for (const line of paymentLines(events, SEED)) yield Buffer.from(line)
}
