import { defineTopology, file, hours, onnxModel, seconds, topic } from 'tidemark'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { mermaid } from '../../src/cli/graph.ts'
import { authorFunctions } from '../../src/engine/author-functions.ts'
import { validateTopology } from '../../src/engine/checks.ts'
import { describe as description } from '../../src/engine/describe.ts'
import type { Definition, FeaturesStep, ScoreStep } from '../../src/topology/definition.ts'
import { scoreStepsOf } from '../../src/topology/graph.ts'
import type { ReuseDefinition } from '../../src/topology/reuse.ts'
import { batchOf } from './batch.ts'
import { engineFor } from './engine-for.ts'
import { whole } from './whole.ts'

const Event = z.object({ key: z.string(), at: z.number(), size: z.number() })
const Row = z.object({ at: z.number(), risk: z.object({ low: z.number(), high: z.number() }) })

const risky = onnxModel({
  name: 'risky',
  version: '1',
  file: new URL('file:///risky.onnx'),
  sha256: 'ab',
  input: 'x',
  features: ['size'],
  outputs: {
    risk: { tensor: 'p', columns: ['low', 'high'] },
    minutes: { tensor: 'm', column: 0 },
  },
})

const reusing = defineTopology('reusing', (t) => {
  const nightly = t.table('nightly', { schema: Row, from: topic('nightly') })
  t.table('others', { schema: Row, key: () => 'k', from: file(new URL('file:///others')) })
  return t
    .source('events', {
      schema: Event,
      key: (e) => e.key,
      eventTimeMs: (e) => e.at,
      watermark: { lag: seconds(1), maxAhead: 'none' },
      onLate: 'drop',
    })
    .features((f) => ({ size: f.events({}).value((e) => e.size) }))
    .score({
      models: { live: risky, slow: risky },
      route: [{ to: 'slow', when: (e) => e.size > 100 }],
      otherwise: 'live',
      reuse: {
        table: nightly,
        score: (r) => ({ risk: r.risk, minutes: 0.5 }),
        at: (r) => r.at,
        maxAge: hours(1),
        unless: (e) => e.size < 0,
        drift: {
          features: () => ({ size: 1 }),
          threshold: 1,
          adjust: ({ risk, minutes }, drift) => ({
            risk: { low: risk.low - drift, high: risk.high + drift },
            minutes: minutes + drift,
          }),
        },
      },
    })
    .sink('out')
})

const STEP = scoreStepsOf(reusing.then)[0] as ScoreStep

function withStep(change: Partial<ScoreStep>, definition: Definition = reusing): Definition {
  const features = definition.then[0] as FeaturesStep
  return { ...definition, then: [{ ...features, then: [{ ...STEP, ...change }] }] }
}

function withReuse(change: Partial<ReuseDefinition>): Definition {
  return withStep({ reuse: { ...(STEP.reuse as ReuseDefinition), ...change } })
}

const ROW = { at: 0, risk: { low: 0.75, high: 0.25 } }

/** Outcomes of events, in rows and by the model. */
async function scored(definition: Definition, sizes: readonly number[], row: object = ROW) {
  const ran: number[] = []
  const engine = engineFor(definition, {
    lookup: () => ({ get: () => row, deviationsOf: () => Float32Array.of(1) }),
    scoring: ({ name }) => ({
      by: [{ label: name, route: name }],
      score: async ({ rows, count }) => {
        ran.push(...rows.subarray(0, count))
        return null
      },
      reused: () => {},
    }),
  })
  const given = sizes.map((size, i) => ({ key: 'k', timeMs: i, event: { key: 'k', at: i, size } }))
  const { arrivals, faults } = whole(engine.process(batchOf(engine, given)))
  const passed: unknown[] = []
  for (const each of arrivals) {
    const scores = (await each.ask?.()) ?? null
    const { sinks } = scores === null ? { sinks: [] } : each.pass(scores)
    for (const { indices, events } of sinks) passed.push(...indices.map((i) => events.at(i)))
  }
  return { ran, passed, faults: faults.map(({ of, error }) => [of, error.code, error.message]) }
}

test('a score has all outputs of the step, and its confidence is that of its largest class', async () => {
  const { ran, passed } = await scored(reusing, [1])
  expect(ran).toEqual([])
  expect(passed).toEqual([
    {
      event: { key: 'k', at: 0, size: 1 },
      features: { size: 1 },
      score: { risk: { low: 0.75, high: 0.25 }, minutes: 0.5 },
      model: 'nightly',
      route: 'reuse',
      reuse: { ageMs: 0, drift: 0, confidence: 0.75 },
    },
  ])
})

test('an adjusted probability of a class stays within 0 and 1, another number does not have to', async () => {
  const { passed } = await scored(reusing, [3])
  expect(passed).toMatchObject([{ score: { risk: { low: 0, high: 1 }, minutes: 2.5 } }])
})

test('an adjusted number stays as it is where the row has no probability', async () => {
  const { passed } = await scored(reusing, [3], { at: 0, risk: { low: 5, high: 0.25 } })
  expect(passed).toMatchObject([{ score: { risk: { low: 3, high: 2.25 } } }])
})

test('no rule is asked for an event whose score is reused', async () => {
  const routes = [
    {
      ...{ name: 'slow', to: 'slow', share: null },
      when: () => {
        throw new Error('asked')
      },
    },
  ]
  expect(await scored(withStep({ routes }), [1])).toMatchObject({ faults: [], passed: [{}] })
})

test('a feature that no model could take keeps no event from its row, where drift is not measured', async () => {
  const { faults, passed } = await scored(withReuse({ drift: null }), [Number.NaN])
  expect(faults).toEqual([])
  expect(passed).toMatchObject([{ reuse: { drift: null }, features: { size: Number.NaN } }])
})

describe('where functions fail', () => {
  const fails = () => {
    throw new RangeError('no')
  }
  const drift = STEP.reuse?.drift as NonNullable<ReuseDefinition['drift']>

  test.each<[string, Partial<ReuseDefinition>]>([
    ['score', { score: fails }],
    ['at', { at: fails }],
    ['score without an output', { score: () => ({ risk: ROW.risk }) }],
    ['score that is no object', { score: () => null }],
    ['at with text', { at: () => '0' }],
    ['drift.features', { drift: { ...drift, features: fails } }],
    ['drift.adjust', { drift: { ...drift, adjust: fails } }],
    ['drift.adjust that gives NaN', { drift: { ...drift, adjust: () => ({ minutes: 1 }) } }],
  ])('on a row, the event is scored live: %s', async (_, change) => {
    expect(await scored(withReuse(change), [4])).toEqual({ ran: [4], passed: [], faults: [] })
  })

  test.each<[string, () => boolean, string]>([
    ['it throws', fails, 'step "score.reuse.unless" threw RangeError'],
    [
      'it waits',
      (async () => false) as unknown as () => boolean,
      'step "score.reuse.unless" must return true or false, got object',
    ],
  ])('on an event, it is a dead letter: %s', async (_, unless, message) => {
    const { ran, faults } = await scored(withReuse({ unless }), [1])
    expect([ran, faults]).toEqual([[], [[0, 'FUNCTION_THREW', message]]])
  })
})

describe('what types cannot check is refused at start', () => {
  const faultsOf = (definition: Definition) =>
    validateTopology(definition).map(({ code, where, message }) => `${where} ${code}: ${message}`)
  const drift = STEP.reuse?.drift as NonNullable<ReuseDefinition['drift']>

  test.each<[string, Definition, string]>([
    ['another table', withReuse({ table: 'x' }), '"x" is no table of this topology'],
    ['no age', withReuse({ maxAgeMs: 0 }), 'maxAge must be a duration above 0 ms, got 0'],
    [
      'a threshold below 0',
      withReuse({ drift: { ...drift, threshold: -1 } }),
      'drift.threshold must be a number, 0 or more, got -1',
    ],
    [
      'no function',
      withReuse({ score: 1 as never }),
      'score must be a function of the row, got number',
    ],
    [
      'a rule of that name',
      withStep({ routes: [{ name: 'reuse', to: 'slow', when: null, share: 0.5 }] }),
      '"reuse" is the route of reused scores: choose another name',
    ],
    [
      'drift in versions of rows',
      {
        ...reusing,
        tables: reusing.tables.map((table) => ({ ...table, asOf: () => 0 })),
      },
      'NOT_SUPPORTED: table "nightly" has asOf: its rows have no deviation that holds at each event\'s time',
    ],
    [
      'a store',
      { ...reusing, tables: [], stores: [{ name: 'nightly', from: {} } as never] },
      'NOT_SUPPORTED: "nightly" is a store: scores of rows in tables are reused',
    ],
  ])('%s', (_, definition, message) => {
    const fault = message.startsWith('NOT_') ? message : `TOPOLOGY_INVALID: ${message}`
    expect(faultsOf(definition)).toContain(`reusing/score.reuse ${fault}`)
  })

  test('and nothing else is', () => expect(faultsOf(reusing)).toEqual([]))
})

test('it is drawn, with its table alone', () => {
  const lines = mermaid(reusing).split('\n')
  expect(lines.filter((line) => /Reuse|table1/.test(line))).toEqual([
    '  step2Reuse["scores of nightly"]',
    '  table1[("nightly")]',
    '  step2Reuse --> step3',
    '  step2 -- "reuse" --> step2Reuse',
    '  table1 --> step2',
  ])
  expect(lines.filter((line) => line.includes('table2'))).toEqual(['  table2[("others")]'])
})

test("it is described, with the source text of its functions, and these are among the author's", () => {
  const detail = description(reusing).steps.find(({ name }) => name === 'score')?.detail
  expect(detail?.['reuse']).toMatchObject({
    table: 'nightly',
    maxAgeMs: 3_600_000,
    at: '(r) => r.at',
    unless: '(e) => e.size < 0',
    drift: { threshold: 1, features: '() => ({ size: 1 })' },
  })
  const places = authorFunctions(reusing).map(({ where }) => where)
  const own = ['unless', 'score', 'at', 'features', 'adjust']
  expect(places.filter((where) => where.startsWith('score.reuse.'))).toEqual(
    own.map((field) => `score.reuse.${field}`),
  )
})
