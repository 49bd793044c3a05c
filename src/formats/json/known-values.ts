import type { ScoreStep } from '../../topology/definition.ts'

/** What is known of a value that an author's function can pick, before there are rows. */
export type KnownValue =
  | {
      readonly is: 'field'
      /** Index of the event's column. */
      readonly column: number
      readonly type: 'text' | 'number' | 'boolean'
      /** Are there no quotes around its texts, and no literals of its numbers? @default false */
      readonly isBinary?: true
      /** May it be absent? (Whether it is null is stored in its column.) */
      readonly optional: boolean
    }
  | { readonly is: 'score'; readonly column: number }
  | { readonly is: 'feature' | 'carried'; readonly index: number; readonly width: number }
  | { readonly is: 'constant'; readonly value: string }
  | KnownObject

/**
 * An object that is always present. One that may be absent or null is not known, since picking from
 * it throws.
 */
export interface KnownObject {
  readonly is: 'object'
  /** In JavaScript's order of iteration. */
  readonly fields: Readonly<Record<string, KnownValue>>
  /** Are these all of its fields, so that the whole object can be written? */
  readonly isWhole: boolean
}

/** What outputs name: which model scored an event, and why that one. */
export interface ScoredBy {
  /** Identifies model and evaluator. */
  readonly label: string
  readonly route: string
}

/**
 * The argument of functions after a model: `event`, `features`, `score`, `model`, which is the
 * label, and `route`.
 */
export function knownScored(
  event: KnownObject,
  step: Pick<ScoreStep, 'features' | 'outputs' | 'carry'>,
  { label, route }: ScoredBy,
): KnownObject {
  const { features, carry = [] } = step
  return whole([
    ['event', event],
    ['features', whole([...numbers('feature', features), ...numbers('carried', carry)])],
    ['score', knownScore(step.outputs)],
    ['model', { is: 'constant', value: label }],
    ['route', { is: 'constant', value: route }],
  ])
}

function numbers(is: 'feature' | 'carried', names: readonly string[]) {
  const width = names.length
  return names.map((name, index) => [name, { is, index, width }] as const)
}

function knownScore(outputs: ScoreStep['outputs']): KnownObject {
  let column = 0
  const next = (): KnownValue => ({ is: 'score', column: column++ })
  return whole(
    Object.entries(outputs).map(([name, { columns }]) => [
      name,
      columns === undefined ? next() : whole(columns.map((each) => [each, next()])),
    ]),
  )
}

function whole(fields: readonly (readonly [name: string, KnownValue])[]): KnownObject {
  return { is: 'object', fields: Object.fromEntries(fields), isWhole: true }
}
