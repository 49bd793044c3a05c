import { onnxModel, seconds } from 'tidemark'
import { z } from 'zod'
import type { LogRecord, NewRecord } from '../../src/connect/port.ts'
import type { EventOf } from '../../src/observe/observer.ts'
import type { Observer, RuntimeEvent } from '../../src/runtime/events.ts'
import type { Prepared, PreparedTopology } from '../../src/runtime/prepared.ts'
import type { TroubleKind } from '../../src/runtime/troubles.ts'
import { type Answer as ModelAnswer, NO_ROWS, type Scorer } from '../../src/scoring/scorer.ts'
import { StepScorer } from '../../src/scoring/step-scorer.ts'
import { defineTopology } from '../../src/topology/builder.ts'
import type { Definition } from '../../src/topology/definition.ts'
import { stepsOf, withTopics } from '../../src/topology/graph.ts'
import { jsonFormatOf } from '../support/format.ts'
import { HASH } from '../support/hash.ts'

// A small topology with a model that is no model, so that a test says what scores are and when they
// come.

export const START_MS = Date.UTC(2026, 0, 1)

/** Takes an amount and a sum. */
export const model = onnxModel({
  name: 'm',
  version: '1',
  file: new URL('file:///m.onnx'),
  sha256: '00',
  input: 'x',
  features: ['amount', 'sum'],
  outputs: { p: { tensor: 'p', column: 0 } },
})

const Event = z.object({ key: z.string(), at: z.number(), amount: z.number() })
type Event = z.infer<typeof Event>

/** How the topologies of these tests take their events. */
export const source = {
  schema: Event,
  key: (e: Event) => e.key,
  eventTimeMs: (e: Event) => e.at,
  watermark: { lag: seconds(1) },
  onLate: 'dead-letter',
} as const

/** `events` → amount, sum of 10 s → model → `scores`; negative amounts are not scored. */
export const scored = defineTopology('scored', (t) =>
  t
    .source('events', source)
    .features((f) => {
      const events = f.events({ amount: (e) => e.amount })
      return { amount: events.value('amount'), sum: events.rolling(seconds(10)).sum('amount') }
    })
    .where((e) => e.amount >= 0)
    .score(model)
    .map((s) => ({ amount: s.event.amount, sum: s.features.sum, p: s.score.p }))
    .sink('scores'),
)

/** `events` → one result of each key and 10 s → `scores`. */
export const perTenSeconds = defineTopology('per-ten-seconds', (t) =>
  t
    .source('events', source)
    .tumbling(seconds(10))
    .aggregate({}, (a) => ({ n: a.count() }))
    .sink('scores'),
)

/** Gives a score for each amount of a batch. */
type Answer = (amounts: readonly number[]) => Promise<readonly number[]> | readonly number[]

/** Scores by a function of the rows' amounts. @default the amount */
export function scorer(answer: Answer = (amounts) => amounts): Scorer {
  return {
    name: 'm',
    label: 'm@1',
    sha256: 'ab'.repeat(32),
    evaluator: { by: 'trees' },
    size: { bytes: 0, threads: 0 },
    maxBatch: 1_000,
    state: 'open',
    answerMs: () => 0,
    passOver: () => {},
    score: async (rows, count): Promise<ModelAnswer> => {
      const amounts = Array.from({ length: count }, (_, i) => rows[i * 2] as number)
      const columns = [Float64Array.from(await answer(amounts))]
      return { columns, failed: NO_ROWS, lost: NO_ROWS, runMs: 0 }
    },
    close: async () => {},
  }
}

export function preparedTopology(
  definition: Definition = scored,
  by: Scorer = scorer(),
): PreparedTopology {
  const steps = [...stepsOf(definition.then)].filter((s) => s.op === 'score')
  const scorers = new Map(
    steps.map((step) => [step.name, new StepScorer(step, new Map([[step.otherwise, by]]))]),
  )
  const format = jsonFormatOf(definition)
  const lookup = () => new Map()
  const given = { definition, by: '0123456789ab', fingerprint: 'f', format }
  return { ...given, outputs: new Map(), scorers, shadows: [], lookup, tables: [], stores: [] }
}

export function prepared(by: Scorer = scorer(), definition: Definition = scored): Prepared {
  const topologies = [preparedTopology(definition, by)]
  return { topologies, variants: [], notes: [], hash: HASH, close: async () => {} }
}

/** A record of `events` whose event is `n` ms after the start, unless told otherwise. */
export function record(
  offset: number,
  { amount = offset, value, headers = [] }: Partial<LogRecord> & { amount?: number } = {},
): LogRecord {
  const at = START_MS + offset
  const json = Buffer.from(JSON.stringify({ key: 'k', at, amount }))
  const key = Buffer.from('k')
  return { offset, timestampMs: at, key, value: value === undefined ? json : value, headers }
}

/** One field of each output, such as its amount. */
export function valuesOf(outputs: readonly NewRecord[], field: string): unknown[] {
  return outputs.map((o) => (JSON.parse(String(o.value)) as Record<string, unknown>)[field])
}

/** Keeps what a worker tells, and waits for it. */
export class Watch {
  readonly events: RuntimeEvent[] = []
  #waiting: (() => void)[] = []

  readonly observer: Observer = (event) => {
    this.events.push(event)
    for (const check of this.#waiting.splice(0)) check()
  }

  of<T extends RuntimeEvent['type']>(type: T): EventOf<T>[] {
    return this.events.filter((e) => e.type === type) as EventOf<T>[]
  }

  troubles(kind: TroubleKind): EventOf<'trouble'>[] {
    return this.of('trouble').filter((trouble) => trouble.kind === kind)
  }

  get states(): string[] {
    return this.of('state').map((e) => e.state)
  }

  async until(holds: (watch: Watch) => boolean): Promise<void> {
    while (!holds(this)) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}

/** The same topologies on topics of other names. */
export function onTopics(given: Prepared, actual: ReadonlyMap<string, string>): Prepared {
  const topologies = given.topologies.map((topology) => ({
    ...topology,
    definition: withTopics(topology.definition, actual),
  }))
  return { ...given, topologies }
}
