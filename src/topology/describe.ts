import {
  type Aggregate,
  type Definition,
  type EventFunction,
  type FeatureDefinition,
  type FeaturesStep,
  type Step,
  stepsOf,
} from './definition.ts'

/** A topology as plain JSON: what it reads, keeps, computes and writes. Functions appear as their source text. */
export interface Description {
  /** The topology's. */
  readonly name: string
  /** What it reads, and how it takes events. */
  readonly source: {
    readonly topic: string
    readonly key: string
    readonly eventTimeMs: string
    /** Lengths in ms; `idleAfterMs` `null`: never. */
    readonly watermark: { lagMs: number; idleAfterMs: number | null; maxAheadMs: number | 'none' }
    readonly onLate: string
  }
  /** The source's topic with `.dlq`. */
  readonly deadLetterTopic: string
  /** What it looks up, each with the path of its file. */
  readonly tables: readonly { readonly name: string; readonly key: string; readonly file: string }[]
  /** Names of the steps that the source feeds. */
  readonly first: readonly string[]
  /** Every step, each before those it feeds. */
  readonly steps: readonly StepDescription[]
}
/** One step of a {@link Description}. */
export interface StepDescription {
  /** Unique in its topology; it stays when a neighbour is added. */
  readonly name: string
  /** What it does. */
  readonly op: Step['op']
  /** What it was told, by the kind of step; lengths in ms. */
  readonly detail: Readonly<Record<string, unknown>>
  /** Names of the steps behind it. */
  readonly feeds: readonly string[]
}

/** What `tidemark graph --format json` writes of a topology. It reads no file and checks nothing. */
export function describe(topology: Definition): Description {
  const { source } = topology
  return {
    name: topology.name,
    source: {
      topic: source.topic,
      key: source.key.toString(),
      eventTimeMs: source.eventTimeMs.toString(),
      watermark: source.watermark,
      onLate: source.onLate,
    },
    deadLetterTopic: topology.deadLetterTopic,
    tables: topology.tables.map((t) => ({
      name: t.name,
      key: t.key.toString(),
      file: t.file.pathname,
    })),
    first: topology.then.map((s) => s.name),
    steps: [...stepsOf(topology.then)].map((step) => ({
      name: step.name,
      op: step.op,
      detail: detailOf(step),
      feeds: step.op === 'sink' ? [] : step.then.map((s) => s.name),
    })),
  }
}

function detailOf(step: Step): Record<string, unknown> {
  switch (step.op) {
    case 'where':
      return step.branch === undefined
        ? { keep: step.keep.toString() }
        : { noneOf: step.branch.noneOf.map(String), keep: step.branch.is?.toString() ?? 'the rest' }
    case 'map':
      return { to: step.to.toString() }
    case 'features':
      return {
        kinds: step.kinds.map(({ is, columns }) => ({
          is: is?.toString() ?? 'every event',
          columns: texts(columns),
        })),
        features: Object.fromEntries(step.features.map((f) => [f.name, explain(f, step)])),
      }
    case 'score':
      return {
        model: `${step.model.name}@${step.model.version}`,
        sha256: step.model.sha256,
        features: step.model.features,
        outputs: step.model.outputs,
        missing: step.missing,
        latencyBudgetMs: step.latencyBudgetMs,
      }
    case 'tumbling':
      return {
        lengthMs: step.lengthMs,
        graceMs: step.graceMs,
        emit: step.emit,
        columns: texts(step.columns),
        aggregates: Object.fromEntries(
          Object.entries(step.aggregates).map(([name, a]) => [name, explainAggregate(a)]),
        ),
      }
    case 'sink':
      return { topic: step.topic, key: step.key?.toString() ?? 'of the source' }
  }
}

function texts(functions: Readonly<Record<string, EventFunction<unknown>>>) {
  return Object.fromEntries(Object.entries(functions).map(([name, of]) => [name, of.toString()]))
}

function explain(feature: FeatureDefinition, { kinds }: FeaturesStep): string {
  const kind = kinds.length === 1 ? '' : ` of kind ${feature.kind}`
  switch (feature.from) {
    case 'value':
      return `value ${feature.of.toString()}${kind}`
    case 'rolling':
      return `${explainAggregate(feature.aggregate)} over the last ${feature.lengthMs} ms${kind}`
    case 'tumbling':
      return `${explainAggregate(feature.aggregate)} of the ${feature.which} window of ${feature.lengthMs} ms${kind}`
    case 'sinceLast': {
      const cap = feature.capMs === null ? '' : `, at most ${feature.capMs} ms`
      return `seconds since the last${kind}${cap}, never: ${feature.never}`
    }
    case 'lookup':
      return `${feature.of.toString()} of table ${feature.table} at ${feature.key.toString()}${kind}`
  }
}

function explainAggregate(aggregate: Aggregate): string {
  if (aggregate.of === 'count' || aggregate.of === 'rate') return `${aggregate.of}()`
  const over = aggregate.of === 'ratio' ? `, ${aggregate.over}` : ''
  const q = aggregate.of === 'quantile' ? `, ${aggregate.q}` : ''
  const empty = 'empty' in aggregate && aggregate.of !== 'sum' ? `, empty: ${aggregate.empty}` : ''
  return `${aggregate.of}(${aggregate.column}${over}${q}${empty})`
}
