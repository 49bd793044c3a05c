import type { LogRecord } from '../../src/connect/port.ts'
import type { Definition, SinkStep } from '../../src/topology/definition.ts'
import { stepsOf } from '../../src/topology/graph.ts'
import { headerOf } from '../support/headers.ts'
import type { Answer, Golden } from './golden.ts'

// From what came out of a run to an answer for each line that went in.

export interface Place {
  readonly partition: number
  readonly offset: number
}

/** The outputs and dead letters of a topology with features in its outputs (with-features.ts). */
export interface Outcome {
  readonly outputs: readonly (Place & { readonly value: unknown })[]
  readonly deadLetters: readonly (Place & { readonly code: string })[]
}

/** The topic of a topology's only sink. */
export function sinkOf({ then }: Definition): string {
  const [sink] = [...stepsOf(then)].filter((step): step is SinkStep => step.op === 'sink')
  return sink?.topic ?? ''
}

/**
 * Reads what was written at least once.
 *
 * @throws Error when an output or a dead letter came again and was not the same, key and value,
 * byte for byte
 */
export function outcomeOf(outputs: readonly LogRecord[], letters: readonly LogRecord[]): Outcome {
  return {
    outputs: onceEach(outputs).map((output) => ({
      ...placeOf(output),
      value: JSON.parse(String(output.value)),
    })),
    deadLetters: onceEach(letters).map((letter) => ({
      ...placeOf(letter),
      code: headerOf(letter, 'tidemark.code') ?? '',
    })),
  }
}

function onceEach(records: readonly LogRecord[]): LogRecord[] {
  const firsts = new Map<string, LogRecord>()
  for (const record of records) {
    const id = idOf(record)
    const first = firsts.get(id)
    if (first === undefined) firsts.set(id, record)
    else if (!isSame(first.key, record.key) || !isSame(first.value, record.value)) {
      throw new Error(
        `${id} came again, and differs: ${String(first.value)} and ${String(record.value)}`,
      )
    }
  }
  return [...firsts.values()]
}

/** The id of an output, or of the dead letter of a record. */
export function idOf(answer: LogRecord): string {
  const { partition, offset } = placeOf(answer)
  return headerOf(answer, 'tidemark-id') ?? `${partition}/${offset}`
}

function isSame(a: Buffer | null, b: Buffer | null): boolean {
  return a === null || b === null ? a === b : a.equals(b)
}

/** `places[n]`: where line n stands in the source. A line that nothing came of was skipped. */
export function answersOf(
  golden: Golden,
  places: readonly Place[],
  { outputs, deadLetters }: Outcome,
): Answer[] {
  const lineAt = new Map(
    places.map(({ partition, offset }, line) => [`${partition}/${offset}`, line]),
  )
  const answers: Answer[] = places.map(({ partition }) => ({ outcome: 'skipped', partition }))
  const answer = ({ partition, offset }: Place, given: Answer) => {
    const line = lineAt.get(`${partition}/${offset}`)
    if (line === undefined)
      throw new Error(`an output for ${partition}/${offset}, which no line stands at`)
    if (answers[line]?.outcome !== 'skipped') throw new Error(`line ${line} has two outcomes`)
    answers[line] = given
  }
  for (const output of outputs) answer(output, scoredAnswer(golden, output))
  for (const letter of deadLetters) {
    const outcome = letter.code === 'LATE' ? 'late' : 'malformed'
    answer(letter, { outcome, partition: letter.partition })
  }
  return answers
}

function scoredAnswer(golden: Golden, { partition, value }: Outcome['outputs'][number]): Answer {
  const { features, probability, model, route } = value as {
    readonly features: Readonly<Record<string, number | null>>
    readonly probability: number
    readonly model: string
    readonly route: string
  }
  const row = golden.featureNames.map((name) => features[name] ?? Number.NaN)
  return { outcome: 'scored', partition, features: row, probability, model, route }
}

/** The place of the record that an output or a dead letter answers. */
export function placeOf(answer: Pick<LogRecord, 'headers'>): Place {
  const id = headerOf(answer, 'tidemark-id')
  if (id !== undefined) return placeOfId(id)
  const number = (name: string) => Number(headerOf(answer, `__streams.errors.${name}`))
  return { partition: number('partition'), offset: number('offset') }
}

/** The place that a `tidemark-id` names: `topic/partition/offset/sink`. */
export function placeOfId(id: string): Place {
  const [, partition, offset] = id.split('/')
  return { partition: Number(partition), offset: Number(offset) }
}
