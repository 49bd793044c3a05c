import type { LogRecord } from '../../connect/port.ts'
import { configFault } from '../../kernel/errors.ts'
import { causeOf } from '../../kernel/ids.ts'
import { jsonOrNull, valueAt } from '../../kernel/json.ts'
import { BY_CLOCK_HEADER, ID_HEADER, MODEL_HEADER } from '../../runtime/output/provenance.ts'

/** If none of so many records can be compared, the field is probably wrong. */
const TRIED = 10_000

export interface OutputScore {
  readonly score: number
  /** The header `tidemark-model`; `?` without it. */
  readonly model: string
  /** Whether the wall clock chose the model, so that a replay may choose another. */
  readonly byClock: boolean
}

export interface ScoredOutput {
  /** The same as that of the output with which it is paired. */
  readonly cause: string
  readonly scored: OutputScore
}

type Unusable = 'withoutId' | 'withoutScore'

export class ComparedTopic {
  readonly topic: string
  readonly #field: string
  readonly unusable: Record<Unusable, number> = { withoutId: 0, withoutScore: 0 }
  records = 0
  /** The paths of the numbers in the first record without a score. */
  #numbers: readonly string[] | null = null

  constructor(topic: string, field: string) {
    this.topic = topic
    this.#field = field
  }

  /** The scores of the records that have one. @throws TidemarkError as {@link end} */
  *scoresOf(records: Iterable<LogRecord>): Generator<ScoredOutput> {
    for (const record of records) {
      this.records++
      const output = scoredOutput(record, this.#field)
      if (typeof output !== 'string') yield output
      else {
        this.unusable[output]++
        if (output === 'withoutScore') this.#numbers ??= [...pathsOf(valueOf(record), '')]
      }
    }
    if (this.records >= TRIED) this.end()
  }

  /** @throws TidemarkError `CONFIG_INVALID`: no record could be compared */
  end(): void {
    const { withoutId, withoutScore } = this.unusable
    if (this.records === 0 || withoutId + withoutScore < this.records) return
    if (this.#numbers === null) {
      const hint = 'only outputs of Tidemark can be paired'
      throw configFault('no record has a tidemark-id', this.topic, hint)
    }
    const numbers = this.#numbers.join(', ') || 'none'
    const hint = `numbers of the first record: ${numbers}; --field MAIN=OTHER names one for each topic`
    throw configFault(`no record has a number "${this.#field}"`, this.topic, hint)
  }
}

/** The score of a record. @param field path of the number in its value, which is JSON */
function scoredOutput(record: LogRecord, field: string): ScoredOutput | Unusable {
  let [id, model, byClock] = ['', '?', false]
  for (const { name, value } of record.headers) {
    if (name === ID_HEADER) id = value.toString()
    else if (name === MODEL_HEADER) model = value.toString()
    else if (name === BY_CLOCK_HEADER.name) byClock = value.equals(BY_CLOCK_HEADER.value)
  }
  const cause = causeOf(id)
  if (cause === null) return 'withoutId'
  const score = valueAt(valueOf(record), field)
  return typeof score === 'number' && Number.isFinite(score)
    ? { cause, scored: { score, model, byClock } }
    : 'withoutScore'
}

function* pathsOf(json: unknown, before: string): Generator<string> {
  if (typeof json !== 'object' || json === null) return
  for (const [name, value] of Object.entries(json)) {
    if (typeof value === 'number') yield `${before}${name}`
    else yield* pathsOf(value, `${before}${name}.`)
  }
}

function valueOf({ value }: LogRecord): unknown {
  return jsonOrNull(value?.toString() ?? '')
}
