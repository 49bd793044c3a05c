import type { Compression } from '../kernel/kafka.ts'
import type { Definition, Op, ScoreStep, ShadowSink, SinkStep, Step, StepOf } from './definition.ts'
import { fieldsRead } from './function-source.ts'
import {
  accuracyFault,
  byAccuracy,
  isAtLeast,
  isTrained,
  type ModelDefinition,
  type StatedAccuracy,
} from './models.ts'
import type { SourceFormat } from './source.ts'

// Walks over the steps of a topology, and copies of it with a change.

/** All steps from here on, each step before those that follow it. */
export function* stepsOf(then: readonly Step[]): Generator<Step> {
  for (const step of then) {
    yield step
    yield* stepsOf(stepsAfter(step))
  }
}

/** The steps that a step feeds. */
export function stepsAfter(step: Step): readonly Step[] {
  return 'then' in step ? step.then : []
}

/** The steps of some kinds from here on, in the order of {@link stepsOf}. */
export function stepsOfKind<O extends Op>(then: readonly Step[], ...kinds: O[]): StepOf<O>[] {
  const isOfKind = (step: Step): step is StepOf<O> => kinds.some((kind) => kind === step.op)
  return [...stepsOf(then)].filter(isOfKind)
}

type ByKind<R> = { readonly [O in Op]?: (step: StepOf<O>) => R } & { readonly others: () => R }

/** The result of the function for the step's kind. */
export function byKind<R>(step: Step, functions: ByKind<R>): R {
  return ((functions[step.op] ?? functions.others) as (step: Step) => R)(step)
}

export function scoreStepsOf(then: readonly Step[]): ScoreStep[] {
  return stepsOfKind(then, 'score')
}

/** The sinks from here on, without those of shadows. */
export function sinkStepsOf(then: readonly Step[]): SinkStep[] {
  return stepsOfKind(then, 'sink')
}

/** The features behind a derive step. @param before it */
export function featuresBehind(step: StepOf<'derive'>, before: readonly string[]): string[] {
  const { derived, drop } = step
  const names = Object.keys(derived)
  return [...before.filter((name) => !drop.includes(name) && !names.includes(name)), ...names]
}

/** The features that steps take unrounded: models carry them, or others are derived from them. */
export function exactFeatures(then: readonly Step[], names: readonly string[]): string[] {
  const taken = new Set(then.flatMap((step) => exactlyTaken(step, names)))
  return names.filter((name) => taken.has(name))
}

function exactlyTaken(step: Step, names: readonly string[]): readonly string[] {
  return byKind<readonly string[]>(step, {
    score: ({ carry }) => carry ?? [],
    where: ({ then }) => exactFeatures(then, names),
    derive: (derive) => {
      const read = Object.values(derive.derived).flatMap((code) => fieldsRead(code, 0) ?? names)
      return [...read, ...exactFeatures(derive.then, featuresBehind(derive, names))]
    },
    others: () => [],
  })
}

/** The name of the first step with windows, or else of the first sink: it accounts for records. */
export function decisiveStep({ then }: Definition): string {
  const [first] = [...stepsOfKind(then, 'features', 'tumbling'), ...sinkStepsOf(then)]
  return first?.name ?? ''
}

/** The sinks from here on, those of shadows as well. */
export function sinksOf(then: readonly Step[]): (SinkStep | ShadowSink)[] {
  return [...stepsOf(then)].flatMap((step) =>
    byKind<(SinkStep | ShadowSink)[]>(step, {
      sink: (sink) => [sink],
      score: ({ shadows }) => shadows.flatMap(({ sink }) => sink ?? []),
      others: () => [],
    }),
  )
}

/** The topics that a topology writes, the dead-letter topic last. */
export function outputTopics({ then, deadLetterTopic }: Definition): string[] {
  const sinks = sinksOf(then).filter((sink) => !('system' in sink))
  return [...new Set(sinks.map(({ topic }) => topic)), deadLetterTopic]
}

/** The sinks in systems outside. */
export function systemSinks({ then }: Definition): SinkStep[] {
  return sinkStepsOf(then).filter(({ system }) => system !== undefined)
}

/** By topic, the compression that sinks give it. */
export function topicCompressions(
  definitions: readonly Definition[],
): ReadonlyMap<string, Compression> {
  const sinks = definitions.flatMap(({ then }) => sinkStepsOf(then))
  const writers = sinks.filter((sink) => sink.compression !== undefined)
  return new Map(writers.map(({ topic, compression }) => [topic, compression as Compression]))
}

export function tableTopics({ tables }: Definition): string[] {
  return [...new Set(tables.flatMap(({ from }) => from.topic ?? []))]
}

/** All topics of a topology: its source, its outputs, and those of its tables. */
export function allTopics(definition: Definition): ReadonlySet<string> {
  return new Set([definition.source.topic, ...outputTopics(definition), ...tableTopics(definition)])
}

/** The same topology with other topics, by logical name. Steps keep their names. */
export function withTopics(
  definition: Definition,
  actual: ReadonlyMap<string, string>,
): Definition {
  const rename = (topic: string) => actual.get(topic) ?? topic
  const renamed = changed(definition, {
    sink: (step) => (step.system ? step : { ...step, topic: rename(step.topic) }),
    score: (step) => {
      const shadows = step.shadows.map(({ sink, ...shadow }) => {
        return { ...shadow, sink: sink && { ...sink, topic: rename(sink.topic) } }
      })
      return { ...step, shadows }
    },
  })
  return {
    ...renamed,
    source: { ...definition.source, topic: rename(definition.source.topic) },
    deadLetterTopic: rename(definition.deadLetterTopic),
    tables: definition.tables.map((table) =>
      table.from.topic === undefined
        ? table
        : { ...table, from: { topic: rename(table.from.topic) } },
    ),
  }
}

/** The same topology with changed steps. */
function changed(definition: Definition, changes: Partial<ByKind<Step>>): Definition {
  const changedSteps = (then: readonly Step[]): Step[] =>
    then.map((before) => {
      const step = byKind(before, { ...changes, others: () => before })
      return 'then' in step ? { ...step, then: changedSteps(step.then) } : step
    })
  return { ...definition, then: changedSteps(definition.then) }
}

export function withMaxAhead(definition: Definition, maxAheadMs: number | 'none'): Definition {
  const { source } = definition
  const watermark = { ...source.watermark, maxAheadMs }
  return { ...definition, source: { ...source, watermark } }
}

/** The same topology with JSON values in place of those whose schemas are in a registry. */
export function withJsonValues(definition: Definition): Definition {
  const { source, tables } = definition
  return { ...definition, source: inJson(source), tables: tables.map(inJson) }

  function inJson<T extends { readonly format: SourceFormat }>(origin: T): T {
    return origin.format.is === 'registry' ? { ...origin, format: { is: 'json' } } : origin
  }
}

/** The same topology without latency budgets; one that is refused stays. */
export function withoutLatencyBudgets(definition: Definition): Definition {
  return changed(definition, {
    score: (step) =>
      step.latencyBudgetMs > 0 ? { ...step, latencyBudgetMs: Number.POSITIVE_INFINITY } : step,
  })
}

/** The same topology with topics in place of its sinks in systems outside. */
export function withSinksInTopics(definition: Definition): Definition {
  return changed(definition, {
    sink: (step) => {
      const { system: _, ...sink } = step
      return sink
    },
  })
}

/** Whether a model is only watched: no event gets its score from it. */
export function isOnlyShadow(
  step: Pick<ScoreStep, 'shadows' | 'routes' | 'otherwise' | 'fallback'>,
  name: string,
): boolean {
  const deciding = [step.otherwise, step.fallback?.to, ...step.routes.map(({ to }) => to)]
  return step.shadows.some(({ model }) => model === name) && !deciding.includes(name)
}

/** The topics that only shadows of a topology write, without a commit. */
export function shadowTopics({ then }: Definition): string[] {
  const sinks = sinksOf(then)
  const committed = new Set(sinks.flatMap((sink) => ('op' in sink ? sink.topic : [])))
  const all = new Set(sinks.map(({ topic }) => topic))
  return [...all].filter((topic) => !committed.has(topic))
}

/** The same topology without its shadows, which have no part in its commits. */
export function withoutShadows(definition: Definition): Definition {
  return changed(definition, {
    score: (step) => {
      const models = Object.entries(step.models).filter(([name]) => !isOnlyShadow(step, name))
      return { ...step, models: Object.fromEntries(models), shadows: [] }
    },
  })
}

/** Whether the models of a step can take a number. */
export function isFit({ missing }: ScoreStep, value: number): boolean {
  return Number.isFinite(value) || (Number.isNaN(value) && missing === 'nan')
}

/** A model that says how accurate it is. */
export type Variant = ModelDefinition & { readonly accuracy: StatedAccuracy }

/** The variants of a step, the most accurate first; of equal ones, in the author's order. */
export function rankedVariants({ variants, models }: ScoreStep): Variant[] {
  return [...new Set(variants?.names)]
    .flatMap((name) => models[name] ?? [])
    .filter(isTrained)
    .filter(isVariant)
    .toSorted((a, b) => byAccuracy(a.accuracy, b.accuracy))
}

function isVariant(model: ModelDefinition): model is Variant {
  return model.accuracy !== undefined && accuracyFault(model.accuracy) === null
}

export function isEligible({ accuracy }: Variant, { variants }: ScoreStep): boolean {
  const least = variants?.minAccuracy ?? null
  return least === null || isAtLeast(accuracy, least)
}
