import type { StandardSchemaV1 } from '@standard-schema/spec'
import { TidemarkError } from '../kernel/errors.ts'
import { type DurationMs, minutes } from '../kernel/time.ts'
import type { Aggregate } from './aggregates/table.ts'
import { fieldWords } from './aggregates/words.ts'
import {
  type Definition,
  type EventFunction,
  type SinkStep,
  type SourceDefinition,
  type Step,
  type TableDefinition,
  TOPOLOGY,
} from './definition.ts'
import type { Columns, Feature } from './features.ts'
import { featureSource, recordFeatures } from './features-builder.ts'
import { type LatencyUse, latencyBudgetOf } from './latency-budgets.ts'
import type { Table } from './lookup.ts'
import { type Model, modelDefinition } from './model.ts'
import type {
  Emit,
  OutputsOf,
  Returned,
  SourceOptions,
  Stream,
  Topology,
  TopologyBuilder,
} from './stream.ts'

/** @default of `maxAhead` */
const MAX_AHEAD = minutes(5)

/** What is said of a topology beside what it computes. */
export interface TopologyOptions {
  /**
   * Change it when what a function captures or calls has changed: windows are then made anew from
   * the log, as they are when the function itself has.
   *
   * @default none
   */
  readonly version?: string
}

/**
 * Defines what a topology computes. The builder returns its sink, or an array of all its sinks: a
 * forgotten one is a compile error, and outputs are typed by topic. Nothing runs here; what comes
 * out is frozen data, and all that types cannot see is checked at start.
 *
 * @param name 1 to 200 of `a-z A-Z 0-9 . _ -`
 * @throws TidemarkError `TOPOLOGY_INVALID`: no source or a second one, a sink that is not returned
 * or is another topology's, or a branch named `rest`
 */
export function defineTopology<const R>(
  name: string,
  build: (t: TopologyBuilder) => Returned<R>,
): Topology<OutputsOf<R>>
export function defineTopology<const R>(
  name: string,
  o: TopologyOptions,
  build: (t: TopologyBuilder) => Returned<R>,
): Topology<OutputsOf<R>>
export function defineTopology<const R>(
  name: string,
  ...rest:
    | [(t: TopologyBuilder) => Returned<R>]
    | [TopologyOptions, (t: TopologyBuilder) => Returned<R>]
): Topology<OutputsOf<R>> {
  const [o, build] = rest.length === 1 ? [{}, rest[0]] : rest
  const draft = new Draft(name, o)
  const returned = build(draft)
  const sinks = (Array.isArray(returned) ? returned : [returned]) as readonly object[]
  return draft.finish(sinks)
}

/**
 * A file of rows for {@link TopologyBuilder.table}: one JSON object a line, in UTF-8, compressed
 * where its name ends in `.gz`. Blank lines are passed over. It is read once, when a worker starts.
 */
export function file(url: URL): { readonly file: URL } {
  return { file: url }
}

/** Everything of a step but its place in the graph. */
type Piece = Step extends infer S ? (S extends Step ? Omit<S, 'then'> : never) : never

/** A step while it is drawn: children are added as the author calls. */
interface Node {
  readonly piece: Piece | null
  readonly children: Node[]
}

class Draft implements TopologyBuilder {
  readonly #name: string
  readonly #version: string | null
  readonly #root: Node = { piece: null, children: [] }
  readonly #tables: TableDefinition[] = []
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
  ): Stream<StandardSchemaV1.InferOutput<S>> {
    if (this.#source !== null) {
      throw this.#invalid(`a second source, "${topic}", beside "${this.#source.topic}"`, {
        hint: 'one source per topology: bring the events together in one topic first, or define two topologies',
      })
    }
    const { lag, idleAfter, maxAhead = MAX_AHEAD } = o.watermark
    this.#source = {
      topic,
      schema: o.schema,
      key: o.key,
      eventTimeMs: o.eventTimeMs,
      watermark: { lagMs: lag, idleAfterMs: idleAfter ?? null, maxAheadMs: maxAhead },
      onLate: o.onLate,
      partitioner: o.partitioner ?? null,
      keyMismatch: o.keyMismatch ?? 'warn',
    }
    return this.#stream(this.#root) as Stream<StandardSchemaV1.InferOutput<S>>
  }

  table<S extends StandardSchemaV1>(
    name: string,
    o: {
      schema: S
      key: (row: StandardSchemaV1.InferOutput<S>) => string
      from: { readonly file: URL }
    },
  ): Table<StandardSchemaV1.InferOutput<S>> {
    this.#tables.push({ name, schema: o.schema, key: o.key, file: o.from.file })
    return { name }
  }

  finish<Out>(sinks: readonly object[]): Topology<Out> {
    if (this.#source === null) throw this.#invalid('no source: call t.source(topic, …)')
    const wanted = new Set<Node>()
    for (const sink of sinks) {
      const node = this.#sinks.get(sink)
      if (node === undefined) throw this.#invalid('a returned sink is not one of this topology')
      wanted.add(node)
    }
    const lost = [...this.#sinks.values()].find((node) => !wanted.has(node))
    if (lost !== undefined) {
      throw this.#invalid(`sink "${lost.piece?.name}" is not returned from the builder`, {
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
      then: grow(this.#root, wanted),
    }
    return deepFreeze(definition) as Topology<Out>
  }

  /**
   * Names by what a step is about, so that a new neighbour renames nothing; a number only where two
   * would collide.
   */
  #nameOf(base: string): string {
    let name = base
    for (let n = 2; this.#names.has(name); n++) name = `${base}-${n}`
    this.#names.add(name)
    return name
  }

  #add(parent: Node, piece: Piece): Node {
    const node: Node = { piece, children: [] }
    parent.children.push(node)
    return node
  }

  #where(parent: Node, keep: unknown): Node {
    const name = this.#nameOf('where')
    return this.#add(parent, { op: 'where', name, keep: keep as EventFunction<boolean> })
  }

  #stream(at: Node): unknown {
    return {
      where: (keep: unknown) => this.#stream(this.#where(at, keep)),
      map: (to: EventFunction<unknown>) =>
        this.#stream(this.#add(at, { op: 'map', name: this.#nameOf('map'), to })),
      branch: (by: Record<string, EventFunction<boolean>>) => this.#branch(at, by),
      features: (define: (f: unknown) => Record<string, Feature<never>>) => {
        const { kit, kinds } = recordFeatures()
        const features = Object.entries(define(kit)).map(([name, feature]) => ({
          name,
          ...featureSource(feature),
        }))
        const name = this.#nameOf('features')
        return this.#featureStream(this.#add(at, { op: 'features', name, kinds, features }))
      },
      tumbling: (lengthMs: DurationMs, o: { grace?: DurationMs; emit?: Emit } = {}) => ({
        aggregate: (columns: Columns<never>, define: (a: unknown) => Record<string, Aggregate>) => {
          const piece: Piece = {
            op: 'tumbling',
            name: this.#nameOf('tumbling'),
            lengthMs,
            graceMs: o.grace ?? 0,
            emit: o.emit ?? 'final',
            columns: columns as never,
            aggregates: define(aggregateKit),
          }
          return this.#stream(this.#add(at, piece))
        },
      }),
      sink: (topic: string, o?: { key?: EventFunction<string> }) => {
        const name = this.#nameOf(topic)
        const sink = Object.freeze({ topic })
        this.#sinks.set(sink, this.#add(at, { op: 'sink', name, topic, key: o?.key ?? null }))
        return sink
      },
    }
  }

  #branch(at: Node, by: Record<string, EventFunction<boolean>>): Record<string, unknown> {
    if (Object.hasOwn(by, 'rest')) {
      throw this.#invalid('a branch named "rest"', {
        hint: 'rest is what no branch takes: give it another name',
      })
    }
    const conditions = Object.values(by)
    const streams = [...Object.keys(by), 'rest'].map((branch, i) => {
      const name = this.#nameOf(`branch.${branch}`)
      const noneOf = conditions.slice(0, i)
      const is = conditions[i] ?? null
      const keep = (event: unknown) =>
        !noneOf.some((holds) => holds(event)) && (is === null || is(event))
      const node = this.#add(at, { op: 'where', name, keep, branch: { noneOf, is } })
      return [branch, this.#stream(node)]
    })
    return Object.fromEntries(streams)
  }

  #featureStream(at: Node): unknown {
    return {
      where: (keep: unknown) => this.#featureStream(this.#where(at, keep)),
      score: (
        given: Model<readonly string[], unknown>,
        o: { missing?: 'nan'; latencyBudget?: DurationMs | LatencyUse } = {},
      ) => {
        const model = modelDefinition(given)
        const piece: Piece = {
          op: 'score',
          name: this.#nameOf(model.name),
          model,
          missing: o.missing ?? 'refuse',
          ...latencyBudgetOf(o.latencyBudget),
        }
        return this.#stream(this.#add(at, piece))
      },
    }
  }

  #invalid(what: string, details: { hint?: string } = {}): TidemarkError {
    return new TidemarkError('TOPOLOGY_INVALID', `topology "${this.#name}": ${what}`, details)
  }
}

const aggregateKit = fieldWords()

/** The part of the drawing that leads to a wanted sink. */
function grow(node: Node, wanted: ReadonlySet<Node>): Step[] {
  const steps: Step[] = []
  for (const child of node.children) {
    if (wanted.has(child)) {
      steps.push(child.piece as SinkStep)
      continue
    }
    const then = grow(child, wanted)
    if (then.length > 0) steps.push({ ...child.piece, then } as Step)
  }
  return steps
}

/**
 * Freezes plain objects and arrays, also within frozen ones; schemas, functions and URLs are the
 * author's.
 */
function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== Array.prototype) return value
  if ('~standard' in value) return value
  Object.freeze(value)
  for (const inner of Object.values(value)) deepFreeze(inner)
  return value
}
