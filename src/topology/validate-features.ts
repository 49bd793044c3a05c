import type { Code } from '../kernel/errors.ts'
import type {
  Aggregate,
  Definition,
  FeatureDefinition,
  FeaturesStep,
  TumblingStep,
} from './definition.ts'
import { stepsOf } from './definition.ts'
import { pickedField } from './picked-field.ts'

/** Tells a fault of a step. @default code `TOPOLOGY_INVALID` */
export type Report = (where: string, what: string, o?: { code?: Code; hint?: string }) => void

/** Faults of one features step: its features, and whether they are what the models behind it take. */
export function checkFeatures(definition: Definition, step: FeaturesStep, report: Report): void {
  const columnUses = new Map<string, string>()
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
        checkAggregate(
          aggregate,
          { kind, columns: step.kinds[kind]?.columns ?? {}, columnUses },
          tell,
        )
        break
      }
      case 'sinceLast':
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

function checkLength(lengthMs: number, tell: Tell): void {
  if (Number.isInteger(lengthMs) && lengthMs > 0) return
  tell(`window length ${lengthMs} ms must be a whole number above 0`)
}

interface Columns {
  readonly kind: number
  readonly columns: Readonly<Record<string, unknown>>
  /** How each column was used before, since one column has one type. */
  readonly columnUses: Map<string, string>
}

function checkAggregate(
  aggregate: Aggregate,
  { kind, columns, columnUses }: Columns,
  tell: Tell,
): void {
  if (aggregate.of === 'count') return
  const { column } = aggregate
  if (!Object.hasOwn(columns, column)) tell(`there is no column "${column}"`)
  const use = useOf(aggregate)
  const before = columnUses.get(`${kind}.${column}`) ?? use
  columnUses.set(`${kind}.${column}`, before)
  if (before !== use) tell(`column "${column}" is used as a ${before} and as a ${use}`)
  if (aggregate.of === 'quantile') {
    const q = aggregate.q ?? Number.NaN
    if (!(q >= 0 && q <= 1)) tell(`quantile ${q} must lie between 0 and 1`)
  }
}

const EMITS: readonly TumblingStep['emit'][] = ['final', 'early']
/** Fields that every result of a tumbling window has. */
const OF_EVERY_WINDOW = ['key', 'windowStartMs', 'windowEndMs', 'isFinal']

/** Faults of one tumbling step. */
export function checkTumbling(step: TumblingStep, report: Report): void {
  const { name, lengthMs, graceMs, columns, aggregates, emit } = step
  const columnUses = new Map<string, string>()
  checkLength(lengthMs, (what) => report(name, what))
  if (!(Number.isInteger(graceMs) && graceMs >= 0)) {
    report(name, `grace ${graceMs} ms must be a whole number, not negative`)
  }
  if (!EMITS.includes(emit)) report(name, `emit "${emit}" must be one of ${EMITS.join(', ')}`)
  for (const [field, aggregate] of Object.entries(aggregates)) {
    const tell: Tell = (what, o) => report(`${name}.${field}`, what, o)
    if (OF_EVERY_WINDOW.includes(field)) tell(`every result has a field "${field}" already`)
    checkAggregate(aggregate, { kind: 0, columns, columnUses }, tell)
  }
}

function useOf({ of }: Aggregate): string {
  if (of === 'distinct') return 'text'
  return of === 'share' || of === 'countWhere' ? 'condition' : 'number'
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
