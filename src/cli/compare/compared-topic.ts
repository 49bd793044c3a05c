import { TidemarkError } from '../../kernel/errors.ts'
import type { LogRecord } from '../../records/port.ts'
import { numbersIn, type ScoredOutput, scoredOutput, type Unusable } from './scored-output.ts'

/** If none of so many records can be compared, the field is probably wrong. */
const TRIED = 10_000

/** One of the topics that are compared: reads its scores, and counts. */
export class ComparedTopic {
  readonly topic: string
  readonly #field: string
  readonly #unusable: Record<Unusable, number> = { withoutId: 0, withoutScore: 0 }
  #records = 0
  /** The paths of the numbers in the first record without a score. */
  #numbers: readonly string[] | null = null

  /** @param field path of the score in the value of a record */
  constructor(topic: string, field: string) {
    this.topic = topic
    this.#field = field
  }

  get records(): number {
    return this.#records
  }

  /** Records without a `tidemark-id`, and without a number at the path. */
  get unusable(): Readonly<Record<Unusable, number>> {
    return this.#unusable
  }

  /** The scores of those records that have one. @throws TidemarkError as {@link end} */
  *scoresOf(records: Iterable<LogRecord>): Generator<ScoredOutput> {
    for (const record of records) {
      this.#records++
      const output = scoredOutput(record, this.#field)
      if (typeof output !== 'string') yield output
      else this.#leaveOut(record, output)
    }
    if (this.#records >= TRIED) this.end()
  }

  /** @throws TidemarkError `CONFIG_INVALID`: no record could be compared */
  end(): void {
    const { withoutId, withoutScore } = this.#unusable
    if (this.#records === 0 || withoutId + withoutScore < this.#records) return
    const where = this.topic
    if (this.#numbers === null) {
      throw new TidemarkError('CONFIG_INVALID', 'no record has a tidemark-id', {
        where,
        hint: 'only outputs of Tidemark can be paired',
      })
    }
    const message = `no record has a number "${this.#field}"`
    const numbers = this.#numbers.join(', ') || 'none'
    throw new TidemarkError('CONFIG_INVALID', message, {
      where,
      hint: `numbers of the first record: ${numbers}; --field MAIN=OTHER names one for each topic`,
    })
  }

  #leaveOut(record: LogRecord, why: Unusable): void {
    this.#unusable[why]++
    if (why === 'withoutScore') this.#numbers ??= numbersIn(record)
  }
}
