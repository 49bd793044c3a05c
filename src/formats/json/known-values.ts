import type { ModelDefinition } from '../../topology/definition.ts'

/** What is known, before there are rows, of a value that an author's function can pick. */
export type Known =
  | {
      readonly is: 'field'
      /** Of the event's columns. */
      readonly column: number
      readonly type: 'text' | 'number' | 'boolean'
      /** May it be absent? (Whether it is null stands in its column.) */
      readonly optional: boolean
    }
  | { readonly is: 'score'; readonly column: number }
  | { readonly is: 'feature'; readonly index: number; readonly width: number }
  | { readonly is: 'constant'; readonly value: string }
  | KnownObject

/**
 * An object that is always there: one that may be absent or null is not known, for to pick from it
 * throws.
 */
export interface KnownObject {
  readonly is: 'object'
  /** In the order in which JavaScript walks over them. */
  readonly fields: Readonly<Record<string, Known>>
  /** Are these all its fields, so that it can be written as a whole? */
  readonly isWhole: boolean
}

/** What follows a model is given: `event`, `features`, `score` and `model`, which is the label. */
export function knownScored(
  event: KnownObject,
  model: Pick<ModelDefinition, 'features' | 'outputs'>,
  label: string,
): KnownObject {
  const width = model.features.length
  const features = model.features.map(
    (name, index) => [name, { is: 'feature', index, width }] as const,
  )
  return whole([
    ['event', event],
    ['features', whole(features)],
    ['score', knownScore(model.outputs)],
    ['model', { is: 'constant', value: label }],
  ])
}

function knownScore(outputs: ModelDefinition['outputs']): KnownObject {
  let column = 0
  const next = (): Known => ({ is: 'score', column: column++ })
  return whole(
    Object.entries(outputs).map(([name, { columns }]) => [
      name,
      columns === undefined ? next() : whole(columns.map((each) => [each, next()])),
    ]),
  )
}

function whole(fields: readonly (readonly [name: string, Known])[]): KnownObject {
  return { is: 'object', fields: Object.fromEntries(fields), isWhole: true }
}
