import { textOf } from './aggregates/table.ts'
import {
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
  /** By its author; `null`: not said. */
  readonly version: string | null
  /** What it reads, and how it takes events. */
  readonly source: {
    readonly topic: string
    readonly key: string
    readonly eventTimeMs: string
    /** Lengths in ms; `idleAfterMs` `null`: never. */
    readonly watermark: { lagMs: number; idleAfterMs: number | null; maxAheadMs: number | 'none' }
    readonly onLate: string
    readonly partitioner: string | null
    readonly keyMismatch: string
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

/** How a function appears in a description. */
export type Print = (of: (...args: never[]) => unknown) => string

const asSource: Print = (of) => of.toString()

/**
 * What `tidemark graph --format json` writes of a topology. It reads no file and checks nothing.
 *
 * @param print of its functions @default their source text
 */
export function describe(topology: Definition, print: Print = asSource): Description {
  const { source } = topology
  return {
    name: topology.name,
    version: topology.version,
    source: {
      topic: source.topic,
      key: print(source.key),
      eventTimeMs: print(source.eventTimeMs),
      watermark: source.watermark,
      onLate: source.onLate,
      partitioner: source.partitioner,
      keyMismatch: source.keyMismatch,
    },
    deadLetterTopic: topology.deadLetterTopic,
    tables: topology.tables.map((t) => ({
      name: t.name,
      key: print(t.key),
      file: t.file.pathname,
    })),
    first: topology.then.map((s) => s.name),
    steps: [...stepsOf(topology.then)].map((step) => ({
      name: step.name,
      op: step.op,
      detail: detailOf(step, print),
      feeds: step.op === 'sink' ? [] : step.then.map((s) => s.name),
    })),
  }
}

function detailOf(step: Step, print: Print): Record<string, unknown> {
  switch (step.op) {
    case 'where':
      return step.branch === undefined
        ? { keep: print(step.keep) }
        : {
            noneOf: step.branch.noneOf.map(print),
            keep: step.branch.is === null ? 'the rest' : print(step.branch.is),
          }
    case 'map':
      return { to: print(step.to) }
    case 'features':
      return {
        kinds: step.kinds.map(({ is, has, columns }) => ({
          is: is === null ? 'every event' : print(is),
          ...(has === undefined ? {} : { has }),
          columns: texts(columns, print),
        })),
        features: Object.fromEntries(step.features.map((f) => [f.name, explain(f, step, print)])),
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
        columns: texts(step.columns, print),
        aggregates: Object.fromEntries(
          Object.entries(step.aggregates).map(([name, a]) => [name, textOf(a)]),
        ),
      }
    case 'sink':
      return { topic: step.topic, key: step.key === null ? 'of the source' : print(step.key) }
  }
}

function texts(functions: Readonly<Record<string, EventFunction<unknown>>>, print: Print) {
  return Object.fromEntries(Object.entries(functions).map(([name, of]) => [name, print(of)]))
}

function explain(feature: FeatureDefinition, { kinds }: FeaturesStep, print: Print): string {
  const kind = kinds.length === 1 ? '' : ` of kind ${feature.kind}`
  switch (feature.from) {
    case 'value':
      return `value ${print(feature.of)}${kind}`
    case 'rolling':
      return `${textOf(feature.aggregate)} over the last ${feature.lengthMs} ms${kind}`
    case 'tumbling':
      return `${textOf(feature.aggregate)} of the ${feature.which} window of ${feature.lengthMs} ms${kind}`
    case 'sinceLast':
      return `seconds since the last within ${feature.lengthMs} ms${kind}, empty: ${feature.empty}`
    case 'sinceLastEver': {
      const cap = feature.capMs === null ? '' : `, at most ${feature.capMs} ms`
      return `seconds since the last${kind}${cap}, never: ${feature.never}`
    }
    case 'lookup':
      return `${print(feature.of)} of table ${feature.table} at ${print(feature.key)}${kind}`
  }
}
