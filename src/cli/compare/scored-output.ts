import { causeOf } from '../../kernel/ids.ts'
import type { LogRecord } from '../../records/port.ts'
import { BY_CLOCK_HEADER, ID_HEADER, MODEL_HEADER } from '../../runtime/provenance.ts'
import { valueAt } from '../value-at.ts'

/** The score of an output, and what decided it. */
export interface Scored {
  readonly score: number
  /** As in the header `tidemark-model`; `?` without it. */
  readonly model: string
  /** Did the wall clock decide which model scored, so that a replay may decide otherwise? */
  readonly byClock: boolean
}

/** A record that can be compared. `cause` is what it shares with the one that it is paired with. */
export interface ScoredOutput {
  readonly cause: string
  readonly scored: Scored
}

/** Why a record cannot be compared. */
export type Unusable = 'withoutId' | 'withoutScore'

/** The score of a record. @param field path of the number in its value, which is JSON */
export function scoredOutput(record: LogRecord, field: string): ScoredOutput | Unusable {
  let [id, model, byClock] = ['', '?', false]
  for (const { name, value } of record.headers) {
    if (name === ID_HEADER) id = value.toString()
    else if (name === MODEL_HEADER) model = value.toString()
    else if (name === BY_CLOCK_HEADER.name) byClock = value.equals(BY_CLOCK_HEADER.value)
  }
  const cause = causeOf(id)
  if (cause === null) return 'withoutId'
  const score = valueAt(parsed(record.value), field)
  return typeof score === 'number' && Number.isFinite(score)
    ? { cause, scored: { score, model, byClock } }
    : 'withoutScore'
}

/** The paths of the numbers in a record's value. */
export function numbersIn({ value }: LogRecord): string[] {
  return [...pathsOf(parsed(value), '')]
}

function* pathsOf(json: unknown, before: string): Generator<string> {
  if (typeof json !== 'object' || json === null) return
  for (const [name, value] of Object.entries(json)) {
    if (typeof value === 'number') yield `${before}${name}`
    else yield* pathsOf(value, `${before}${name}.`)
  }
}

/** undefined: it is not JSON. */
function parsed(value: Buffer | null): unknown {
  try {
    return JSON.parse(value?.toString() ?? '')
  } catch {
    return undefined
  }
}
