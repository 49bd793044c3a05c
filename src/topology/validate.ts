import { TidemarkError } from '../kernel/errors.ts'
import { type Definition, type FeaturesStep, type Step, stepsOf } from './definition.ts'
import { pickedField } from './picked-field.ts'

// What types cannot see. Every fault at once, before anything is read or consumed.

const NAME = /^[a-zA-Z0-9._-]{1,200}$/

/** Faults of a topology as its author wrote it; `where` names the step. */
export function validateTopology(definition: Definition): TidemarkError[] {
  const faults: TidemarkError[] = []
  const invalid = (where: string, what: string, hint?: string) =>
    faults.push(
      new TidemarkError('TOPOLOGY_INVALID', what, {
        where: `${definition.name}/${where}`,
        ...(hint === undefined ? {} : { hint }),
      }),
    )
  if (!NAME.test(definition.name)) {
    invalid('', `name "${definition.name}" must match ${NAME}`)
  }
  checkSource(definition, invalid)
  checkTopics(definition, invalid)
  checkPlaces(definition, faults)
  for (const step of stepsOf(definition.then)) {
    if (step.op === 'features') checkFeatures(definition, step, invalid)
  }
  return faults
}

type Invalid = (where: string, what: string, hint?: string) => void

function checkSource({ source }: Definition, invalid: Invalid): void {
  const { lagMs, idleAfterMs, maxAheadMs } = source.watermark
  if (!(lagMs >= 0)) invalid(source.topic, `watermark.lag ${lagMs} must not be negative`)
  if (idleAfterMs !== null && !(idleAfterMs > 0)) {
    invalid(source.topic, `watermark.idleAfter ${idleAfterMs} must be more than 0`)
  }
  if (maxAheadMs !== 'none' && !(maxAheadMs >= 0)) {
    invalid(source.topic, `watermark.maxAhead ${maxAheadMs} must not be negative`)
  }
}

function checkTopics(definition: Definition, invalid: Invalid): void {
  const { source, deadLetterTopic } = definition
  const sinks = [...stepsOf(definition.then)].filter((s) => s.op === 'sink')
  for (const topic of [source.topic, deadLetterTopic, ...sinks.map((s) => s.topic)]) {
    if (!NAME.test(topic)) invalid(topic, `topic "${topic}" must match ${NAME}`)
  }
  for (const { topic } of sinks) {
    if (topic === source.topic) {
      invalid(topic, `sink "${topic}" is the source: its outputs would come back as events`)
    }
    if (topic === deadLetterTopic) invalid(topic, `sink "${topic}" is the dead-letter topic`)
  }
}

/** Refuses what the engine does not do (yet), instead of doing something else in silence. */
function checkPlaces(definition: Definition, faults: TidemarkError[]): void {
  const refuse = (step: Step, what: string, hint: string) =>
    faults.push(
      new TidemarkError('NOT_SUPPORTED', what, { where: `${definition.name}/${step.name}`, hint }),
    )
  const walk = (then: readonly Step[], scored: boolean) => {
    for (const step of then) {
      if (step.op === 'tumbling') {
        refuse(step, 'tumbling windows cannot run yet', 'use rolling windows until they can')
      }
      if (step.op === 'features' && scored) {
        refuse(
          step,
          'windows over scores',
          'write the scores to a topic and read it in a second topology',
        )
      }
      if (step.op !== 'sink') walk(step.then, scored || step.op === 'score')
    }
  }
  walk(definition.then, false)
  if (definition.source.watermark.idleAfterMs !== null) {
    faults.push(
      new TidemarkError('NOT_SUPPORTED', 'watermark.idleAfter does nothing yet', {
        where: `${definition.name}/${definition.source.topic}`,
        hint: 'it closes tumbling windows of silent partitions; rolling windows do not need it',
      }),
    )
  }
}

function checkFeatures(definition: Definition, step: FeaturesStep, invalid: Invalid): void {
  const where = (feature: string) => `${step.name}.${feature}`
  const tables = new Set(definition.tables.map((t) => t.name))
  const types = new Map<string, string>()
  for (const feature of step.features) {
    if (feature.from === 'tumbling') {
      invalid(
        where(feature.name),
        'tumbling windows cannot run yet',
        'use rolling windows until they can',
      )
    }
    if (feature.from === 'lookup' && !tables.has(feature.table)) {
      invalid(where(feature.name), `table "${feature.table}" is not one of this topology`)
    }
    if (feature.from === 'value')
      checkNotTime(definition, feature, (what, hint) => invalid(where(feature.name), what, hint))
    if (feature.from !== 'rolling') continue
    if (!(Number.isInteger(feature.lengthMs) && feature.lengthMs > 0)) {
      invalid(
        where(feature.name),
        `window length ${feature.lengthMs} ms must be a whole number above 0`,
      )
    }
    const { aggregate } = feature
    if (aggregate.of === 'count') continue
    const type =
      aggregate.of === 'distinct'
        ? 'text'
        : aggregate.of === 'share' || aggregate.of === 'countWhere'
          ? 'condition'
          : 'number'
    const column = `${feature.kind}.${aggregate.column}`
    const before = types.get(column)
    types.set(column, type)
    if (before !== undefined && before !== type) {
      invalid(
        where(feature.name),
        `column "${aggregate.column}" is used as a ${before} and as a ${type}`,
      )
    }
    if (
      aggregate.of === 'quantile' &&
      !((aggregate.q as number) >= 0 && (aggregate.q as number) <= 1)
    ) {
      invalid(where(feature.name), `quantile ${aggregate.q} must lie between 0 and 1`)
    }
  }
}

/** A float32 cannot hold ms since the epoch: 1731700000123 becomes …064256, and a model would learn noise. */
function checkNotTime(
  { source }: Definition,
  feature: { of: (event: unknown) => number },
  invalid: (what: string, hint: string) => void,
): void {
  const field = pickedField(feature.of)
  if (field === null || field !== pickedField(source.eventTimeMs)) return
  invalid(
    `"${field}" is the event time: a float32 holds it only to the nearest 131 s`,
    'give the model a difference or a part of it: hour of day, seconds since the last event',
  )
}
