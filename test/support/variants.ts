import { defineTopology, millis, onnxModel, seconds } from 'tidemark'
import type { Prepared, PreparedTopology } from '../../src/runtime/prepared.ts'
import { tryVariants } from '../../src/runtime/start/variants.ts'
import { NO_ROWS, type Scorer } from '../../src/scoring/scorer.ts'
import { StepScorer } from '../../src/scoring/step-scorer.ts'
import type { Definition, ScoreStep } from '../../src/topology/definition.ts'
import { stepsOf } from '../../src/topology/graph.ts'
import { preparedTopology, source } from '../runtime/support.ts'
import { HASH } from './hash.ts'

// A topology whose variants are no models, so that a test says how long they take.

/** A model that states its AUC. */
function variant(name: string, auc: number) {
  return onnxModel({
    name,
    version: '1',
    file: new URL(`file:///${name}.onnx`),
    sha256: name,
    input: 'x',
    features: ['amount', 'sum'],
    outputs: { p: { tensor: 'p', column: 0 } },
    accuracy: { auc, rows: 1_000 },
  })
}

/** `events` → amount, sum of 10 s → the deep, the gbdt or the mlp, within 20 ms → `scores`. */
export const withVariants = (o: { adapt?: boolean; minAccuracy?: number } = {}): Definition =>
  defineTopology('scored', (t) =>
    t
      .source('events', source)
      .features((f) => {
        const events = f.events({ amount: (e) => e.amount })
        return { amount: events.value('amount'), sum: events.rolling(seconds(10)).sum('amount') }
      })
      .score({
        variants: [variant('mlp', 0.8), variant('deep', 0.95), variant('gbdt', 0.9)],
        budget: millis(20),
        ...o,
      })
      .map((s) => ({ amount: s.event.amount, model: s.model, route: s.route }))
      .sink('scores'),
  )

/** How long a call takes, ms, by the variant's name. @default it cannot be loaded */
export type Times = Readonly<Partial<Record<'deep' | 'gbdt' | 'mlp', number>>>

/** A scorer that says how long it takes. */
export function timed(
  name: string,
  answerMs: (rows: number) => number,
): Scorer & { closed: boolean } {
  return {
    name,
    label: `${name}@1`,
    sha256: name,
    evaluator: { by: 'trees' },
    size: { bytes: 0, threads: 0 },
    maxBatch: 1_000,
    state: 'open',
    closed: false,
    answerMs,
    passOver: () => {},
    score: async (_, count) => {
      const columns = [new Float64Array(count).fill(0.5)]
      return { columns, failed: NO_ROWS, lost: NO_ROWS, runMs: 0 }
    },
    async close() {
      this.closed = true
    },
  }
}

/** The score step of a topology that has one. */
export function stepOf({ then }: Definition): ScoreStep {
  const [step] = [...stepsOf(then)].filter((s) => s.op === 'score')
  if (step === undefined) throw new Error('a topology without a score step')
  return step
}

/** The topology, prepared on a machine on which its variants take these times. */
export function preparedWith(times: Times, o: { operators?: string } = {}) {
  const definition = withVariants()
  const step = stepOf(definition)
  const scorers = new Map(Object.entries(times).map(([name, ms]) => [name, timed(name, () => ms)]))
  const chosen = new Map(o.operators === undefined ? [] : [[step.name, o.operators]])
  const found = tryVariants({ definition, step }, { scorers, failed: new Map(), chosen })
  if ('faults' in found) throw new Error(found.faults.map(String).join())
  const scorer = new StepScorer(step, scorers)
  const topology: PreparedTopology = {
    ...preparedTopology(definition),
    scorers: new Map([[step.name, scorer]]),
  }
  const prepared: Prepared = {
    topologies: [topology],
    variants: [found],
    notes: [],
    hash: HASH,
    close: async () => {},
  }
  return { prepared, scorers, scorer }
}
