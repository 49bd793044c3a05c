import { expect, test } from 'vitest'
import type { Engine } from '../../../src/engine/engine.ts'
import { type StateLimits, StateUse } from '../../../src/engine/store/state-limits.ts'
import type { FeaturesStep, TumblingStep } from '../../../src/topology/definition.ts'
import { batchOf } from '../batch.ts'
import { engineFor } from '../engine-for.ts'
import { topologyAround } from '../engine-rows.ts'
import { whole } from '../whole.ts'

// Limits of what a task holds, whatever comes.

const T = Date.UTC(2026, 0, 1)
const MINUTE_MS = 60_000
const NO_LIMITS = { maxKeys: Number.POSITIVE_INFINITY, maxBytes: Number.POSITIVE_INFINITY }

const columns = { shop: (e: unknown) => e as string }
const shops = { of: 'distinct', column: 'shop' } as const
const rolling: FeaturesStep = {
  op: 'features',
  name: 'rolling',
  kinds: [{ is: null, columns }],
  features: [{ name: 'shops', from: 'rolling', kind: 0, lengthMs: MINUTE_MS, aggregate: shops }],
  then: [],
}
const tumbling: TumblingStep = {
  op: 'tumbling',
  name: 'tumbling',
  lengthMs: MINUTE_MS,
  graceMs: 0,
  emit: 'final',
  columns,
  aggregates: { shops },
  then: [{ op: 'sink', name: 'out', topic: 'out', key: null }],
}

function engineOf(step: FeaturesStep | TumblingStep, limits: StateLimits): Engine {
  const around = topologyAround(rolling, { lagMs: 0, onLate: 'dead-letter' })
  return engineFor({ ...around, then: [step] }, { limits })
}

/** Takes an event of one key in each shop; gives the codes of those that were refused. */
function visit(engine: Engine, atMs: number, ...visited: readonly string[]): string[] {
  const events = visited.map((event) => ({ key: 'a', timeMs: T + atMs, event }))
  return whole(engine.process(batchOf(engine, events))).faults.map(({ error }) => error.code)
}

test.each([rolling, tumbling])(
  '$name windows hold as many texts as keys; there is room again when time has passed',
  (step) => {
    const engine = engineOf(step, { ...NO_LIMITS, maxKeys: 3 })
    expect(visit(engine, 0, 'x', 'y')).toEqual([])
    // How many there are is looked at after each chunk.
    expect(visit(engine, 1, 'x', 'z', 'w')).toEqual([])
    expect(visit(engine, 2, 'x')).toEqual(['STATE_LIMIT'])
    visit(engine, 3 * MINUTE_MS, 'x')
    expect(visit(engine, 3 * MINUTE_MS, 'v', 'w')).toEqual([])
  },
)

test('texts count among the bytes', () => {
  const engine = engineOf(rolling, NO_LIMITS)
  visit(engine, 0, 'x', 'x')
  const before = engine.use.bytes
  visit(engine, 0, 'y')
  expect(engine.use.bytes).toBeGreaterThan(before)
})

test.each(['keys', 'texts'] as const)(
  'without a limit, %s end before a map of V8 is full',
  (what) => {
    const use = new StateUse(NO_LIMITS)
    use[what] = 15_000_000
    expect(use.refusal(1)).toBeNull()
    use[what] = 16_000_000
    expect(use.refusal(1)).toMatchObject({ code: 'STATE_LIMIT' })
  },
)
