import type { Code } from '../kernel/errors.ts'
import { type ColumnUses, checkAggregate, checkEmpty } from './aggregates/check.ts'
import type {
  Definition,
  EventFunction,
  FeatureDefinition,
  FeaturesStep,
  TumblingStep,
} from './definition.ts'
import { stepsOf } from './definition.ts'
import { readFunction } from './function-reading.ts'

/** Tells a fault of a step. @default code `TOPOLOGY_INVALID` */
export type Report = (where: string, what: string, o?: { code?: Code; hint?: string }) => void

/** Faults of one features step: its features, and whether they are what the models behind it take. */
export function checkFeatures(definition: Definition, step: FeaturesStep, report: Report): void {
  const uses = step.kinds.map(({ columns }): ColumnUses => ({ columns, types: new Map() }))
  for (const feature of step.features) {
    const tell: Tell = (what, o) => report(`${step.name}.${feature.name}`, what, o)
    switch (feature.from) {
      case 'value':
        checkValue(definition, feature, tell)
        break
      case 'rolling':
      case 'tumbling': {
        const { kind, lengthMs, aggregate } = feature
        checkLength(lengthMs, tell)
        checkAggregate(aggregate, uses[kind] ?? { columns: {}, types: new Map() }, tell)
        break
      }
      case 'sinceLast':
        checkLength(feature.lengthMs, tell)
        checkEmpty(feature, tell)
        break
      case 'sinceLastEver':
        if (feature.capMs !== null && !(feature.capMs > 0)) {
          tell(`cap ${feature.capMs} must be more than 0`)
        }
        break
      case 'lookup':
        if (!definition.tables.some((t) => t.name === feature.table)) {
          tell(`table "${feature.table}" is not one of this topology`)
        }
        break
    }
  }
  checkModels(step, report)
}

type Tell = (what: string, o?: Parameters<Report>[2]) => void
type FeatureFrom<From> = Extract<FeatureDefinition, { from: From }>

/** A float32 cannot hold ms since the epoch: 1731700000123 becomes …064256, and a model would learn noise. */
function checkValue({ source }: Definition, { of }: FeatureFrom<'value'>, tell: Tell): void {
  if (typeof of !== 'function') {
    tell('value() of a column that is not there')
    return
  }
  const field = pickedField(of)
  if (field === null || field !== pickedField(source.eventTimeMs)) return
  tell(`"${field}" is the event time: a float32 holds it only to the nearest 131 s`, {
    hint: 'give the model a difference or a part of it: hour of day, seconds since the last event',
  })
}

/** What a function merely picks, such as `amount` of `(p) => p.amount`; `null` when it does more, or is not there. */
function pickedField(of: EventFunction<unknown>): string | null {
  if (typeof of !== 'function') return null
  const reading = readFunction(of)
  if ('why' in reading || reading.expression.is !== 'pick') return null
  const { path } = reading.expression
  return path.length === 0 ? null : path.join('.')
}

function checkLength(lengthMs: number, tell: Tell): void {
  if (Number.isInteger(lengthMs) && lengthMs > 0) return
  tell(`window length ${lengthMs} ms must be a whole number above 0`)
}

const EMITS: readonly TumblingStep['emit'][] = ['final', 'early']
/** Fields that every result of a tumbling window has. */
const OF_EVERY_WINDOW = ['key', 'windowStartMs', 'windowEndMs', 'isFinal']

/** Faults of one tumbling step. */
export function checkTumbling(step: TumblingStep, report: Report): void {
  const { name, lengthMs, graceMs, columns, aggregates, emit } = step
  const uses: ColumnUses = { columns, types: new Map() }
  checkLength(lengthMs, (what) => report(name, what))
  if (!(Number.isInteger(graceMs) && graceMs >= 0)) {
    report(name, `grace ${graceMs} ms must be a whole number, not negative`)
  }
  if (!EMITS.includes(emit)) report(name, `emit "${emit}" must be one of ${EMITS.join(', ')}`)
  for (const [field, aggregate] of Object.entries(aggregates)) {
    const tell: Tell = (what, o) => report(`${name}.${field}`, what, o)
    if (OF_EVERY_WINDOW.includes(field)) tell(`every result has a field "${field}" already`)
    checkAggregate(aggregate, uses, tell)
  }
}

function checkModels(step: FeaturesStep, report: Report): void {
  const names = step.features.map((f) => f.name)
  for (const next of stepsOf(step.then)) {
    if (next.op !== 'score') continue
    const { name, features } = next.model
    const missing = features.filter((f) => !names.includes(f))
    const unused = names.filter((f) => !features.includes(f))
    if (missing.length > 0) report(next.name, `model ${name} needs ${missing.join(', ')}`)
    if (unused.length > 0) report(next.name, `model ${name} does not take ${unused.join(', ')}`)
  }
}
