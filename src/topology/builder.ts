import type { StandardSchemaV1 } from '@standard-schema/spec'
import { TidemarkError } from '../kernel/errors.ts'
import { type DurationMs, minutes } from '../kernel/time.ts'
import { fieldMethods } from './aggregate-methods.ts'
import type { Aggregate } from './aggregates.ts'
import {
  type Definition,
  type DerivedFeature,
  type Emit,
  type EventFunction,
  type FeatureCondition,
  type FeatureSource,
  type SinkStep,
  type SourceDefinition,
  type Step,
  type StoreDefinition,
  type TableDefinition,
  TOPOLOGY,
} from './definition.ts'
import type { Columns, Feature } from './features.ts'
import { recordFeatures } from './features-builder.ts'
import type { FileTableOptions, Table, TopicTableOptions } from './lookup.ts'
import { type GivenScore, givenFaults, scoreFields } from './score-builder.ts'
import type { ScoreOptions } from './score-options.ts'
import type { Formatted, SourceOptions } from './source.ts'
import type { Store, StoreOptions, SystemSink } from './store.ts'
import type { InputOf, OutputsOf, Returned, Stream, Topology, TopologyBuilder } from './stream.ts'

/** Options of a topology, for {@link defineTopology}. */
export interface TopologyOptions {
  /**
   * Change it whenever code or data that the topology's functions call or capture has changed.
   * Windows are then rebuilt from the log, as happens automatically when a function itself changes.
   * @default none
   */
  readonly version?: string
}

/**
 * Defines a topology. Its type has the outputs by topic. `build` must return its sink, or an array
 * of all its sinks; anything else is a compile error. Nothing runs here: the result is frozen data.
 * Faults that types cannot see are refused when a worker starts.
 *
 * @param name 1 to 200 of `a-z A-Z 0-9 . _ -`, else refused at start: `TOPOLOGY_INVALID`
 * @throws TidemarkError `TOPOLOGY_INVALID`: no source or a second one, a sink that is not returned
 * or is another topology's, a branch named `rest`, a table or store without `from`, or a `.score` with
 * unknown keys or values of another type
 */
export function defineTopology<const R>(
  name: string,
  build: (t: TopologyBuilder) => Returned<R>,
): Topology<OutputsOf<R>, InputOf<R>>
/** Defines a topology with options. */
export function defineTopology<const R>(
  name: string,
  o: TopologyOptions,
  build: (t: TopologyBuilder) => Returned<R>,
): Topology<OutputsOf<R>, InputOf<R>>
export function defineTopology<const R>(
  name: string,
  ...rest:
    | [(t: TopologyBuilder) => Returned<R>]
    | [TopologyOptions, (t: TopologyBuilder) => Returned<R>]
): Topology<OutputsOf<R>, InputOf<R>> {
  const [o, build] = rest.length === 1 ? [{}, rest[0]] : rest
  const draft = new Draft(name, o)
  const returned = build(draft)
  const sinks = (Array.isArray(returned) ? returned : [returned]) as readonly object[]
  return draft.finish(sinks)
}

/** Defaults of {@link StoreOptions}. */
const MAX_ENTRIES = 100_000
const DEADLINE_MS = 20

/** A step without its name and the steps that follow it. */
type StepFields = Step extends infer S ? (S extends Step ? Omit<S, 'name' | 'then'> : never) : never

type SinkFields = Partial<Omit<SinkStep, 'op' | 'name' | 'topic'>>

/** A step in the graph as the author's calls build it; `null`: the source. */
interface Node {
  readonly fields: (StepFields & { readonly name: string }) | null
  readonly children: Node[]
}

class Draft implements TopologyBuilder {
  readonly #name: string
  readonly #version: string | null
  readonly #root: Node = { fields: null, children: [] }
  readonly #tables: TableDefinition[] = []
  readonly #stores: StoreDefinition[] = []
  readonly #names = new Set<string>()
  readonly #sinks = new Map<object, Node>()
  #source: SourceDefinition | null = null

  constructor(name: string, { version }: TopologyOptions) {
    this.#name = name
    this.#version = version ?? null
  }

  source<S extends StandardSchemaV1>(
    topic: string,
    o: SourceOptions<S>,
  ): Stream<StandardSchemaV1.InferOutput<S>, StandardSchemaV1.InferInput<S>> {
    if (this.#source !== null) {
      throw this.#invalid(`two sources, "${this.#source.topic}" and "${topic}"`, {
        hint: 'use one source per topology: have all events produced to one topic, or define two topologies. One that merges topics makes many events of a backlog late: docs/topologies.md, A topic between two topologies',
      })
    }
    const { lag, idleAfter, maxAhead = minutes(5) } = o.watermark
    this.#source = {
      topic,
      ...this.#formatted(topic, o),
      key: o.key,
      eventTimeMs: o.eventTimeMs,
      watermark: { lagMs: lag, idleAfterMs: idleAfter ?? null, maxAheadMs: maxAhead },
      onLate: o.onLate,
      onTombstone: o.onTombstone ?? 'dead-letter',
      partitioner: o.partitioner ?? null,
      keyMismatch: o.keyMismatch ?? 'warn',
      ...(o.passHeaders && { passHeaders: o.passHeaders }),
    }
    return this.#stream(this.#root) as never
  }

  #formatted<S extends StandardSchemaV1>(
    topic: string,
    { schema, decode }: SourceOptions<S>,
  ): Formatted<S> {
    if (decode === undefined) return formattedOf(schema)
    if ('~standard' in schema) return { schema, format: { is: 'decode', decode } }
    throw this.#invalid(`source "${topic}" has decode, and a schema with a format of its own`, {
      hint: 'give decode the schema alone: what it returns is validated by that',
    })
  }

  table<S extends StandardSchemaV1, const N extends string>(
    name: N,
    { schema, key, asOf, from }: FileTableOptions<S> | TopicTableOptions<S>,
  ): Table<StandardSchemaV1.InferOutput<S>, N> {
    if (from?.file === undefined && from?.topic === undefined) {
      throw this.#invalid(`table "${name}" has no from`, {
        hint: 'say where its rows are: from: file(url), or from: topic(name)',
      })
    }
    this.#tables.push({
      name,
      ...formattedOf(schema),
      key: key ?? null,
      asOf: asOf ?? null,
      from,
    })
    return { name }
  }

  store<S extends StandardSchemaV1, const N extends string>(
    name: N,
    o: StoreOptions<S>,
  ): Store<StandardSchemaV1.InferOutput<S>, N> {
    if (typeof o.from !== 'object' || o.from === null) {
      throw this.#invalid(`store "${name}" has no from`, {
        hint: 'say where its rows are: from: redis({ key }), or from: { getMany }',
      })
    }
    this.#stores.push({
      name,
      schema: o.schema,
      from: o.from,
      freshMs: o.fresh ?? 0,
      staleMs: o.stale ?? 0,
      maxEntries: o.maxEntries ?? MAX_ENTRIES,
      deadlineMs: o.deadline ?? DEADLINE_MS,
      at: (o.at as StoreDefinition['at'] | undefined) ?? null,
      maxAgeMs: o.maxAge ?? Number.POSITIVE_INFINITY,
      onMiss: o.onMiss ?? null,
      writeBackMs: o.writeBack?.ttl ?? null,
      fallback: o.fallback ?? null,
    })
    return { name }
  }

  finish<Out, In>(sinks: readonly object[]): Topology<Out, In> {
    if (this.#source === null) throw this.#invalid('no source: call t.source(topic, …)')
    const nodes = sinks.map((sink) => this.#sinks.get(sink))
    if (nodes.includes(undefined))
      throw this.#invalid('a returned sink is not one of this topology')
    const wanted = new Set(nodes as Node[])
    const lost = [...this.#sinks.values()].find((node) => !wanted.has(node))
    if (lost !== undefined) {
      throw this.#invalid(`sink "${lost.fields?.name}" is not returned from the builder`, {
        hint: 'return every sink: return [a, b]',
      })
    }
    const definition: Definition = {
      [TOPOLOGY]: true,
      name: this.#name,
      version: this.#version,
      source: this.#source,
      deadLetterTopic: `${this.#source.topic}.dlq`,
      tables: this.#tables,
      stores: this.#stores,
      then: stepsBelow(this.#root, wanted),
    }
    return deepFreeze(definition) as Topology<Out, In>
  }

  /** A unique name for a step, after its operation, so that adding another step renames none. */
  #nameOf(base: string): string {
    let name = base
    for (let n = 2; this.#names.has(name); n++) name = `${base}-${n}`
    this.#names.add(name)
    return name
  }

  /** @param name the name that the step asks for */
  #add(parent: Node, name: string, fields: StepFields): Node {
    const node: Node = { fields: { ...fields, name: this.#nameOf(name) }, children: [] }
    parent.children.push(node)
    return node
  }

  /** @param go a stream of the same kind from a node on */
  #passing(at: Node, go: (node: Node) => unknown) {
    return {
      where: (keep: FeatureCondition) => go(this.#add(at, 'where', { op: 'where', keep })),
      map: (to: EventFunction<unknown>) => this.#stream(this.#add(at, 'map', { op: 'map', to })),
      branch: (by: Record<string, FeatureCondition>) => this.#branch(at, by, go),
      sink: (to: string | SystemSink<string, unknown>, options: SinkFields = {}) => {
        const fields = sinkFields(to, options)
        const sink = Object.freeze({ topic: fields.topic })
        this.#sinks.set(sink, this.#add(at, fields.topic, fields))
        return sink
      },
    }
  }

  #stream(at: Node): unknown {
    return {
      ...this.#passing(at, (node) => this.#stream(node)),
      dedupe: ({ by, within }: { by: EventFunction<string>; within: DurationMs }) =>
        this.#stream(this.#add(at, 'dedupe', { op: 'dedupe', by, withinMs: within })),
      features: (define: (f: unknown) => Record<string, Feature<never>>) => {
        const { kit, kinds } = recordFeatures()
        const defined = define(kit)
        const features = Object.entries(defined).map(([name, source]) => {
          return { name, ...(source as unknown as FeatureSource) }
        })
        const step = this.#add(at, 'features', { op: 'features', kinds, features })
        return this.#featureStream(step, Object.keys(defined))
      },
      tumbling: (lengthMs: DurationMs, o: { grace?: DurationMs; emit?: Emit } = {}) => ({
        aggregate: (columns: Columns<never>, define: (a: unknown) => Record<string, Aggregate>) => {
          const fields: StepFields = {
            op: 'tumbling',
            lengthMs,
            graceMs: o.grace ?? 0,
            emit: o.emit ?? 'final',
            columns: columns as never,
            aggregates: define(aggregateKit),
          }
          return this.#stream(this.#add(at, 'tumbling', fields))
        },
      }),
    }
  }

  #branch(at: Node, by: Record<string, FeatureCondition>, go: (node: Node) => unknown) {
    if (Object.hasOwn(by, 'rest')) {
      throw this.#invalid('a branch named "rest"', {
        hint: 'rest is the stream of the events that match no branch: choose another name',
      })
    }
    const conditions = Object.values(by)
    const streams = [...Object.keys(by), 'rest'].map((branch, i) => {
      const [noneOf, keep] = [conditions.slice(0, i), conditions[i] ?? null]
      const node = this.#add(at, `branch.${branch}`, { op: 'where', keep, noneOf })
      return [branch, go(node)]
    })
    return Object.fromEntries(streams)
  }

  #featureStream(at: Node, defined: readonly string[]): unknown {
    return {
      ...this.#passing(at, (node) => this.#featureStream(node, defined)),
      derive: (derived: Record<string, DerivedFeature>, o?: { drop?: string[] }) => {
        const drop = o?.drop ?? []
        if (typeof derived !== 'object' || derived === null) {
          throw this.#invalid('.derive takes an object of functions')
        }
        if (!Array.isArray(drop)) throw this.#invalid('.derive: drop must be a list of features')
        const fields = { op: 'derive', derived, drop } as const
        const kept = defined.filter((name) => !drop.includes(name))
        const node = this.#add(at, 'derive', fields)
        return this.#featureStream(node, [...kept, ...Object.keys(derived)])
      },
      score: (choice: GivenScore, o: ScoreOptions<string> = {}) => {
        const faults = givenFaults(choice, o)
        if (faults.length > 0) throw this.#invalid(`.score: ${faults.join('; ')}`)
        const { named, ...fields } = scoreFields(choice, o, defined)
        return this.#stream(this.#add(at, named, fields))
      },
    }
  }

  #invalid(message: string, details: { hint?: string } = {}): TidemarkError {
    return new TidemarkError('TOPOLOGY_INVALID', `topology "${this.#name}": ${message}`, details)
  }
}

function sinkFields(
  to: string | SystemSink<string, unknown>,
  { key = null, ...options }: SinkFields,
): Omit<SinkStep, 'name'> {
  if (typeof to === 'string') return { op: 'sink', topic: to, key, ...options }
  const { connector, name, key: keyOf, options: asked } = to
  return { op: 'sink', topic: name, key: keyOf, system: { connector, options: asked } }
}

const aggregateKit = fieldMethods()

/** A schema with its format, JSON where none is given. */
function formattedOf<S extends StandardSchemaV1>(schema: S | Formatted<S>): Formatted<S> {
  return '~standard' in schema ? { schema, format: { is: 'json' } } : schema
}

/** The steps below a node that lead to a wanted sink. */
function stepsBelow(node: Node, wanted: ReadonlySet<Node>): Step[] {
  return node.children.flatMap((child): Step[] => {
    if (wanted.has(child)) return [child.fields as SinkStep]
    const then = stepsBelow(child, wanted)
    return then.length === 0 ? [] : [{ ...child.fields, then } as Step]
  })
}

/** Freezes plain objects and arrays, but not the author's schemas, functions and URLs. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== Array.prototype) return value
  if ('~standard' in value) return value
  Object.freeze(value)
  for (const inner of Object.values(value)) deepFreeze(inner)
  return value
}
