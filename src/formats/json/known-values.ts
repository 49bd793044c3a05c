import type { ColumnForm } from '../../columns/columns.ts'
import type { ScoreStep } from '../../topology/definition.ts'

/** A value that an author function can pick, as known before there are rows. */
export type KnownValue =
  | {
      readonly is: 'field'
      readonly column: number
      readonly type: 'text' | 'number' | 'boolean'
      /** Its texts have no quotes, and its numbers no literals. @default false */
      readonly isBinary?: true
      /** Whether it may be absent; its column tells whether it is null. */
      readonly optional: boolean
    }
  | { readonly is: 'score'; readonly column: number }
  | { readonly is: 'feature' | 'carried'; readonly index: number; readonly width: number }
  | { readonly is: 'constant'; readonly value: string }
  | KnownObject

/** An object that is always present, because picking from a missing one throws. */
export interface KnownObject {
  readonly is: 'object'
  readonly fields: Readonly<Record<string, KnownValue>>
  /** Whether these are all of its fields, so that it can be written. */
  readonly isWhole: boolean
}

export interface ScoredBy {
  /** Identifies model and evaluator. */
  readonly label: string
  readonly route: string
}

/** The argument of author functions after features. */
export function knownFeatured(event: KnownObject, names: readonly string[]): KnownObject {
  return whole([
    ['event', event],
    ['features', whole(numbers('feature', names))],
  ])
}

/** The argument of author functions after a model. */
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

/** A shadow's output: its scores come first, then as many of the model that it is compared with. */
export function knownShadow(
  outputs: ScoreStep['outputs'],
  { label, main }: { readonly label: string; readonly main: ScoredBy },
): KnownObject {
  const width = Object.values(outputs).reduce((sum, { columns }) => sum + (columns?.length ?? 1), 0)
  const mainOnes = [
    ['model', { is: 'constant', value: main.label }],
    ['route', { is: 'constant', value: main.route }],
    ['score', knownScore(outputs, width)],
  ] as const
  return whole([
    ['model', { is: 'constant', value: label }],
    ['score', knownScore(outputs)],
    ['main', whole(mainOnes)],
  ])
}

function numbers(is: 'feature' | 'carried', names: readonly string[]) {
  const width = names.length
  return names.map((name, index) => [name, { is, index, width }] as const)
}

function knownScore(outputs: ScoreStep['outputs'], first = 0): KnownObject {
  let column = first
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

/** The known fields of an event: those whose containing objects are always present. */
export function knownEvent(forms: readonly ColumnForm[]): KnownObject {
  const columns = [...forms.entries()].filter(([, form]) => !form.isWithinOptional)
  return knownWithin(columns, 0)
}

type Column = readonly [column: number, form: ColumnForm]

/** @param depth how many names of a path lead to the object */
function knownWithin(columns: readonly Column[], depth: number): KnownObject {
  const names = new Set(columns.map(([, { path }]) => path[depth] as string))
  const fields = [...names].map((name) => {
    const all = columns.filter(([, { path }]) => path[depth] === name)
    const column = all.find(([, { path }]) => path.length === depth + 1)
    return [name, column === undefined ? knownWithin(all, depth + 1) : knownField(column)] as const
  })
  return { is: 'object', fields: Object.fromEntries(fields), isWhole: false }
}

function knownField([column, { type, isOptional: optional, isBinary }]: Column): KnownValue {
  return { is: 'field', column, type, optional, ...(isBinary && { isBinary }) }
}
