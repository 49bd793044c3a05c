import { days, minutes } from '../../../kernel/time.ts'
import {
  aggregateText,
  type ColumnUses,
  checkAggregate,
  checkEmpty,
} from '../../../topology/aggregates.ts'
import type {
  Definition,
  EventFunction,
  FeatureDefinition,
  FeaturesStep,
  KindDefinition,
  SourceDefinition,
  ValueForm,
} from '../../../topology/definition.ts'
import { readFunction } from '../../../topology/function-reading.ts'
import { exactFeatures, scoreStepsOf } from '../../../topology/graph.ts'
import {
  checkLength,
  checkPlace,
  type FunctionPlace,
  functionsOf,
  notSupported,
  type OperatorRule,
  type Print,
  type ReportFault,
  type ReportFieldFault,
  textsOf,
} from '../rule.ts'
import { FeatureRows } from './feature-rows.ts'
import { lookupsOf } from './table-rows.ts'

/** Enters events into windows, and writes the rows of those that reach a model after it. */
export const features: OperatorRule<FeaturesStep> = {
  outcomes: {
    deadLetters: [
      'FUNCTION_THREW',
      'TIME_INVALID',
      'COLUMN_INVALID',
      'STATE_LIMIT',
      'FEATURE_NOT_FINITE',
    ],
    late: true,
  },

  display({ name, features: all }) {
    const { length } = all
    const thousands = String(length).replace(/\B(?=(\d{3})+$)/g, ',')
    const outline = `${thousands} ${length === 1 ? 'feature' : 'features'}`
    return {
      shape: 'step',
      label: `${name}: ${length}`,
      outline,
      looksUp: lookupsOf({ features: all }).map(({ table }) => table),
    }
  },

  detail: (step, print) => ({
    kinds: step.kinds.map(({ is, has, where, columns }) => ({
      is: is === null ? 'every event' : print(is),
      ...(has === undefined ? {} : { has }),
      ...(where && { where: print(where.of) }),
      columns: textsOf(columns, print),
    })),
    features: Object.fromEntries(step.features.map((f) => [f.name, explain(f, step, print)])),
  }),

  // Only features over windows, whatever their names.
  decides(step, detail) {
    const texts = detail['features'] as Readonly<Record<string, string>>
    const windows = new Set(step.features.filter(isOverWindow).map((f) => texts[f.name] as string))
    return [detail['kinds'], [...windows].toSorted()]
  },

  keeps: ({ name, features: all }) => ({
    lengthMs: Math.max(0, ...all.map((f) => ('lengthMs' in f ? f.lengthMs : 0))),
    delayMs: 0,
    forEver: all.filter(isForEver).map((f) => `${name}.${f.name}`),
  }),

  *functions({ name, kinds, features: all }) {
    for (const { is, where, columns } of kinds) {
      yield { where: `${name}.only`, argument: 'event', of: is }
      if (where) yield { where: `${name}.${where.column}`, argument: 'event', of: where.of }
      yield* functionsOf(name, columns)
    }
    for (const feature of all) yield* functionsOfFeature(feature, `${name}.${feature.name}`)
  },

  check(step, place, report) {
    checkPlace(step, place, report)
    if (step.features.some(isOverWindow) && place.results?.emit === 'early') {
      const message = 'windows over early results, which repeat with every event'
      notSupported(step.name, message, { data: 'the final results', report })
    }
    const uses = step.kinds.map(({ columns }): ColumnUses => ({ columns, types: new Map() }))
    for (const feature of step.features) {
      const tell: ReportFieldFault = (message, o) =>
        report(`${step.name}.${feature.name}`, message, o)
      checkCondition(step.kinds[feature.kind]?.where, tell)
      checkFeature(feature, { step, definition: place.definition, uses, tell })
    }
    checkLookups(step, report)
  },

  placeAfter: (step, place) => ({
    ...place,
    behind: 'features',
    features: namesOf(step),
    events: place.events === 'source' ? 'featured' : 'made',
  }),

  open(step, open, context) {
    const names = namesOf(step)
    const exact = exactFeatures(step.then, names)
    const behind = open(step.then, { ...context.input, features: { names, exact } })
    return new FeatureRows(step, { behind, exact }, context)
  },
}

function namesOf(step: FeaturesStep): readonly string[] {
  return step.features.map(({ name }) => name)
}

function isOverWindow({ from }: FeatureDefinition): boolean {
  return from !== 'value' && from !== 'lookup'
}

function isForEver(feature: FeatureDefinition): boolean {
  if (feature.from === 'tumbling') return feature.which === 'lastClosed'
  return feature.from === 'sinceLastEver'
}

function explain(feature: FeatureDefinition, { kinds }: FeaturesStep, print: Print): string {
  const kind = kinds.length === 1 ? '' : ` of kind ${feature.kind}`
  switch (feature.from) {
    case 'value':
      return `value ${print(feature.of)}${formText(feature.form)}${kind}`
    case 'rolling':
      return `${aggregateText(feature.aggregate)} over the last ${feature.lengthMs} ms${feature.before ? ' before it' : ''}${kind}`
    case 'tumbling':
      return `${aggregateText(feature.aggregate)} of the ${feature.which} window of ${feature.lengthMs} ms${kind}`
    case 'sinceLast':
      return `seconds since the last within ${feature.lengthMs} ms${kind}, empty: ${feature.empty}`
    case 'sinceLastEver': {
      const cap = feature.capMs === null ? '' : `, at most ${feature.capMs} ms`
      return `seconds since the last${kind}${cap}, never: ${feature.never}`
    }
    case 'lookup': {
      const as = feature.as === undefined ? '' : `, as ${feature.as}`
      return `${print(feature.of)} of table ${feature.table} at ${print(feature.key)}${kind}${as}`
    }
  }
}

function formText(form: ValueForm | undefined): string {
  if (form === undefined) return ''
  if (form.is !== 'code') return `, ${form.is} at ${form.offsetMs} ms`
  return `, code in ${JSON.stringify(form.words)}, unknown: ${form.unknown}`
}

function* functionsOfFeature(feature: FeatureDefinition, where: string): Generator<FunctionPlace> {
  if (feature.from === 'value') yield { where, argument: 'event', of: feature.of }
  if (feature.from !== 'lookup') return
  yield { where, argument: 'event', of: feature.key }
  yield { where, argument: 'row', of: feature.of }
}

interface Checking {
  readonly step: FeaturesStep
  readonly definition: Definition
  /** By kind. */
  readonly uses: readonly ColumnUses[]
  readonly tell: ReportFieldFault
}

function checkCondition(where: KindDefinition['where'], tell: ReportFieldFault): void {
  if (where === undefined || typeof where.of === 'function') return
  const { column } = where
  if (typeof column === 'string') return tell(`where() of "${column}", which is no column`)
  tell(`where() takes the name of a column, got ${typeof column}`, {
    hint: 'declare the condition as a column: f.events({ online: (e) => e.online })',
  })
}

function checkFeature(
  feature: FeatureDefinition,
  { step, definition, uses, tell }: Checking,
): void {
  switch (feature.from) {
    case 'value':
      if (feature.form !== undefined) return checkForm(feature.of, feature.form, tell)
      return checkValue(feature, { step, definition, tell })
    case 'rolling':
    case 'tumbling': {
      const { kind, lengthMs, aggregate } = feature
      checkLength(lengthMs, tell)
      return checkAggregate(aggregate, uses[kind] ?? { columns: {}, types: new Map() }, tell)
    }
    case 'sinceLast':
      checkLength(feature.lengthMs, tell)
      return checkEmpty(feature, tell)
    case 'lookup':
      return checkLookup(feature, { step, definition, tell })
    case 'sinceLastEver':
      if (feature.capMs === null || feature.capMs > 0) return
      tell(`cap ${feature.capMs} must be more than 0`)
  }
}

function checkLookup(
  { table, of: read }: Extract<FeatureDefinition, { from: 'lookup' }>,
  { step, definition, tell }: Omit<Checking, 'uses'>,
): void {
  const { tables, stores } = definition
  const store = stores.find(({ name }) => name === table)
  if (store === undefined) {
    if (!tables.some(({ name }) => name === table)) tell(`"${table}" is no table of this topology`)
    return
  }
  const takeNaN = scoreStepsOf(step.then).every(({ missing }) => missing === 'nan')
  const hint =
    "give the store a fallback with a number for it, or .score(model, { missing: 'nan' })"
  if (store.fallback === null) {
    if (!takeNaN) tell(`store "${table}" has no fallback, and the model takes no NaN`, { hint })
    return
  }
  const value = valueOf(read, store.fallback)
  const isEnough = typeof value === 'number' && (takeNaN || Number.isFinite(value))
  if (!isEnough) tell(`the fallback of store "${table}" gives no number for it`, { hint })
}

function valueOf(read: (row: unknown) => unknown, row: unknown): unknown {
  try {
    return read(row)
  } catch {
    return undefined
  }
}

/** Whether a feature is only derived from, which takes it unrounded. */
function isDropped({ name }: FeatureDefinition, { then }: FeaturesStep): boolean {
  return then.every((next) => next.op === 'derive' && next.drop.includes(name))
}

/**
 * Refuses the event time as a feature. A float32 cannot hold ms since the epoch: 1731700000123
 * becomes …064256, and a model would learn noise.
 */
function checkValue(
  feature: Extract<FeatureDefinition, { from: 'value' }>,
  { step, definition, tell }: Omit<Checking, 'uses'>,
): void {
  if (isDropped(feature, step)) return
  if (typeof feature.of !== 'function') return tell('value() of a column that does not exist')
  const field = pickedField(feature.of)
  if (field === null || field !== pickedField(definition.source.eventTimeMs)) return
  tell(`"${field}" is the event time: a float32 holds it only to the nearest 131 s`, {
    hint: 'give the model a difference or a part of it: hour of day, seconds since the last event',
  })
}

function checkForm(code: unknown, form: ValueForm, tell: ReportFieldFault): void {
  if (typeof code !== 'function') tell(`${form.is}() of "${form.column}", which is no column`)
  if (form.is !== 'code') return checkOffset(form.offsetMs, tell)
  const { words, unknown } = form
  const areTexts = Array.isArray(words) && words.every((word) => typeof word === 'string')
  const twice = areTexts ? words.filter((word, i) => words.indexOf(word) < i) : []
  if (!areTexts || words.length === 0) tell('code() needs a list of texts')
  if (twice.length > 0) tell(`code() has a word twice: ${[...new Set(twice)].join(', ')}`)
  if (typeof unknown !== 'number') tell(`unknown must be a number, got ${typeof unknown}`)
}

function checkOffset(offsetMs: unknown, tell: ReportFieldFault): void {
  const isWhole = typeof offsetMs === 'number' && offsetMs % minutes(1) === 0
  if (isWhole && Math.abs(offsetMs) < days(1)) return
  tell('the offset from UTC must be whole minutes, and less than a day', {
    hint: 'write hours(1) or minutes(-570); a zone by name, such as Europe/Berlin, is not known',
  })
}

/**
 * The field that a function merely picks, or reads as a time, `amount` of `(p) => p.amount`; `null`:
 * it does more.
 */
function pickedField(code: EventFunction<unknown> | SourceDefinition['eventTimeMs']) {
  if (typeof code !== 'function') return null
  const reading = readFunction(code)
  if ('why' in reading) return null
  const { expression } = reading
  if (expression.is !== 'pick' && expression.is !== 'time') return null
  const { path } = expression
  return path.length === 0 ? null : path.join('.')
}

/** Functions after a model know a row by the name of its look-up. */
function checkLookups(step: FeaturesStep, report: ReportFault): void {
  const names = lookupsOf(step).map(({ name }) => name)
  for (const name of new Set(names.filter((each, i) => names.indexOf(each) < i))) {
    report(step.name, `two look-ups are named "${name}"`, {
      hint: "call f.lookup once for all features of a row, or name one of them: f.lookup(table, key, { as: 'name' })",
    })
  }
}
