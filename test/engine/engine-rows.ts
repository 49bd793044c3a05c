import {
  type Definition,
  type DeriveStep,
  type FeaturesStep,
  type Step,
  TOPOLOGY,
} from '../../src/topology/definition.ts'
import { featuresBehind } from '../../src/topology/graph.ts'
import type { Lookup } from '../../src/topology/lookup.ts'
import type { OnLate } from '../../src/topology/source.ts'
import { modelStep } from '../support/score-steps.ts'
import { batchOf } from './batch.ts'
import { engineFor } from './engine-for.ts'
import { whole } from './whole.ts'

interface Arrival {
  readonly key: string
  readonly timeMs: number
  readonly event: unknown
}

interface Run {
  readonly step: FeaturesStep
  /** Behind the features, one after the other. @default none */
  readonly derive?: readonly Omit<DeriveStep, 'then'>[]
  readonly options: { readonly lagMs: number; readonly onLate: OnLate; readonly lookup: Lookup }
  readonly events: readonly Arrival[]
}

/**
 * The engine's answers to events given in chunks: for each whether it was late, and its row if it
 * has one.
 */
export function engineRows(
  { step, options, events, derive = [] }: Run,
  chunk: number,
): { late: boolean; row: Float32Array | null }[] {
  const engine = engineFor(topologyAround(step, options, derive), { lookup: options.lookup })
  const answers: { late: boolean; row: Float32Array | null }[] = []
  for (let start = 0; start < events.length; start += chunk) {
    const part = events.slice(start, start + chunk)
    const result = whole(engine.process(batchOf(engine, part)))
    const late = new Set(result.late.flatMap((l) => l.indices))
    const answersHere = part.map((_, i) => ({
      late: late.has(i),
      row: null as Float32Array | null,
    }))
    const width = namesBehind(step, derive).length
    for (const { indices, rows } of result.arrivals) {
      for (const [r, index] of indices.entries()) {
        const answer = answersHere[index]
        if (answer) answer.row = rows.slice(r * width, (r + 1) * width)
      }
    }
    answers.push(...answersHere)
  }
  return answers
}

/** A topology of one features step, with a model that takes every feature in the author's order. */
export function topologyAround(
  step: FeaturesStep,
  { lagMs, onLate }: { lagMs: number; onLate: OnLate },
  derive: Run['derive'] = [],
): Definition {
  const file = new URL('file:///model.onnx')
  const features = namesBehind(step, derive)
  const model = { name: 'm', version: '1', file, sha256: '', input: 'x', features, outputs: {} }
  const score = modelStep(model, { missing: 'nan' })
  return {
    [TOPOLOGY]: true,
    name: 'test',
    version: null,
    source: {
      topic: 'events',
      format: { is: 'json' },
      schema: { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } },
      key: () => '',
      eventTimeMs: () => 0,
      watermark: { lagMs, idleAfterMs: null, maxAheadMs: 'none' },
      onLate,
      onTombstone: 'dead-letter',
      partitioner: null,
      keyMismatch: 'warn',
    },
    deadLetterTopic: 'events.dlq',
    tables: [],
    stores: [],
    then: [{ ...step, then: derive.reduceRight<Step[]>((then, d) => [{ ...d, then }], [score]) }],
  }
}

function namesBehind(step: FeaturesStep, derive: Run['derive'] = []): readonly string[] {
  const own = step.features.map(({ name }) => name)
  return derive.reduce<readonly string[]>(
    (names, d) => featuresBehind({ ...d, then: [] }, names),
    own,
  )
}
