import type { Definition, Step, StoreDefinition } from '../topology/definition.ts'
import { stepsAfter } from '../topology/graph.ts'
import type { DecodeFormat, SourceFormat } from '../topology/source.ts'
import type { Print } from './operators/rule.ts'
import { planOf } from './plan.ts'

/**
 * A topology as plain JSON: its input, state, computations and outputs. Functions appear as source
 * text.
 */
export interface Description {
  /** Name of the topology. */
  readonly name: string
  /** Set by its author; `null`: not set. */
  readonly version: string | null
  /** Its topic, and how it treats events. */
  readonly source: {
    readonly topic: string
    /** How its records hold their values; of `registry` with its options. */
    readonly format:
      | Exclude<SourceFormat, DecodeFormat>
      | { readonly is: 'decode'; readonly decode: string }
    readonly key: string
    /** `record`: the record's own timestamp. */
    readonly eventTimeMs: string
    /** Lengths in ms; `idleAfterMs` `null`: never. */
    readonly watermark: { lagMs: number; idleAfterMs: number | null; maxAheadMs: number | 'none' }
    readonly onLate: string
    readonly onTombstone: string
    readonly partitioner: string | null
    readonly keyMismatch: string
    /** Headers that outputs get from their record, besides those of a trace. @default none */
    readonly passHeaders?: readonly string[]
  }
  /** The source's topic with `.dlq`. */
  readonly deadLetterTopic: string
  /** Its lookup tables. */
  readonly tables: readonly TableDescription[]
  /**
   * Its stores: name and options, lengths in ms, functions as text; `from` is the key outside, or
   * `own`. An option that is not set is absent. @default none
   */
  readonly stores?: readonly Readonly<Record<string, unknown>>[]
  /** Names of the steps that the source feeds. */
  readonly first: readonly string[]
  /** Every step, each before those it feeds. */
  readonly steps: readonly StepDescription[]
}
/** A lookup table of a {@link Description}, with the path of its file or the name of its topic. */
export interface TableDescription {
  readonly name: string
  /** `null`: the key of the record. */
  readonly key: string | null
  /** From when a row holds; absent: each event gets the newest row. */
  readonly asOf?: string
  readonly file?: string
  readonly topic?: string
}
/** One step of a {@link Description}. */
interface StepDescription {
  /** Unique in its topology; does not change when a neighbouring step is added. */
  readonly name: string
  /** Its operation. */
  readonly op: Step['op']
  /** Its settings, which depend on the kind of step; lengths in ms. */
  readonly detail: Readonly<Record<string, unknown>>
  /** Names of the steps that it feeds. */
  readonly feeds: readonly string[]
}

/**
 * The description that `tidemark graph --format json` writes. Reads no file and checks nothing.
 *
 * @param print how functions are printed @default their source text
 */
export function describe(topology: Definition, print: Print = String): Description {
  // Hashed in this order, with every field: another order in the builder rebuilds all windows.
  const { schema: _, ...source } = topology.source
  const { format, eventTimeMs, onTombstone } = source
  const stores = topology.stores.map((store) => describedStore(store, print))
  return {
    name: topology.name,
    version: topology.version,
    source: {
      ...source,
      format: format.is === 'decode' ? { is: 'decode', decode: print(format.decode) } : format,
      key: print(source.key),
      eventTimeMs: wordOr(eventTimeMs, print),
      onTombstone: wordOr(onTombstone, print),
    },
    deadLetterTopic: topology.deadLetterTopic,
    tables: topology.tables.map(({ name, key, asOf, from }) => ({
      name,
      key: key === null ? null : print(key),
      ...(asOf === null ? {} : { asOf: print(asOf) }),
      ...(from.file === undefined ? { topic: from.topic } : { file: from.file.pathname }),
    })),
    ...(stores.length > 0 && { stores }),
    first: topology.then.map((s) => s.name),
    steps: planOf(topology).map(({ step, rule }) => ({
      name: step.name,
      op: step.op,
      detail: rule.detail(step, print),
      feeds: stepsAfter(step).map((s) => s.name),
    })),
  }
}

function describedStore(store: StoreDefinition, print: Print): Readonly<Record<string, unknown>> {
  const { name, schema: _, from, ...options } = store
  const where = 'connector' in from ? { ...from.options, key: print(from.options.key) } : 'own'
  const set = Object.entries(options).filter(
    ([, value]) => value !== null && value !== Number.POSITIVE_INFINITY,
  )
  const shown = set.map(([option, value]) => [
    option,
    typeof value === 'function' ? print(value as Parameters<Print>[0]) : value,
  ])
  return { name, from: where, ...Object.fromEntries(shown) }
}

function wordOr(option: string | Parameters<Print>[0], print: Print): string {
  return typeof option === 'string' ? option : print(option)
}
