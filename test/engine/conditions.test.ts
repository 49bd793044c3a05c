import { defineTopology, type FeatureKit, file, minutes, rule, seconds } from 'tidemark'
import { TopologyDriver } from 'tidemark/testing'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { validateTopology } from '../../src/engine/checks.ts'
import type { Topology } from '../../src/topology/stream.ts'
import { folderWith } from '../support/folder.ts'

// Conditions behind features: what their arguments have.

const fields = { at: z.int(), shop: z.string(), amount: z.number() }
type Sale = z.infer<z.ZodObject<typeof fields>>
const Closed = z.object(fields)
/** No JSON Schema tells its fields. */
const Untold = z.custom<Sale>(() => true)

const optionsOf = (schema: z.ZodType) =>
  ({
    schema: schema as z.ZodType<Sale>,
    key: (s: Sale) => s.shop,
    eventTimeMs: (s: Sale) => s.at,
    watermark: { lag: seconds(1) },
    onLate: 'dead-letter',
  }) as const

const START_MS = Date.UTC(2026, 0, 1)
/** Sales of 1, 2, … a millisecond apart. */
const sales = (...more: readonly object[]): object[] =>
  more.map((own, n) => ({ at: START_MS + n, shop: 'a', amount: n + 1, ...own }))

/** The amounts of the source's sales that are written to `out`, and what else became of them. */
async function amountsIn(topology: Topology<unknown>, events: readonly object[]) {
  const driver = await TopologyDriver.start(topology as Topology<{ out: { event: Sale } }>)
  try {
    await driver.pipe(events)
    expect(driver.outcomes.dead).toBe(0)
    return driver.outputs('out').map(({ value }) => value.event.amount)
  } finally {
    await driver.stop()
  }
}

const sums = (f: FeatureKit<Sale>) => ({
  sum: f
    .events({ amount: (s) => s.amount })
    .rolling(minutes(1))
    .sum('amount'),
})

/** A condition as JavaScript has it: no type says what its arguments have. */
// oxlint-disable-next-line typescript/no-explicit-any -- its fields are what is tested
type Condition = (event: any, features: any) => boolean

const filtered = (schema: z.ZodType, keep: Condition) =>
  defineTopology('t', (t) =>
    t.source('sales', optionsOf(schema)).features(sums).where(keep).sink('out'),
  )

test.each<[string, Condition]>([
  ['the event and its features', (s, { sum }) => s.amount > 1 && sum > 3],
  ['what a map gets', ({ event, features }) => event.amount > 1 && features.sum > 3],
  ['what a map gets, under one name', (s) => s.event.amount > 1 && s.features.sum > 3],
  ['fields of the event beside it', (s) => s.amount > 1 && s.features.sum > 3],
])('a condition gets %s', async (_, keep) => {
  for (const schema of [Closed, Untold]) {
    expect(await amountsIn(filtered(schema, keep), sales({}, {}, {}))).toEqual([3])
  }
})

test.each<[string, Condition]>([
  ['alone', ({ event }) => event.amount > 2],
  ['and the features', ({ event }, { sum }) => event.amount + sum > 6],
])(
  'it may read the event as a map gets it %s, where the schema has no such field',
  async (_, keep) => {
    expect(await amountsIn(filtered(Closed, keep), sales({}, {}, {}))).toEqual([3])
  },
)

test.each([
  ['that the schema has', z.object({ ...fields, event: z.string() })],
  ['of an event whose fields nobody tells', Untold],
  ['of an event that may have more fields', z.looseObject(fields)],
])("a field named event %s is the event's own", async (_, schema) => {
  const topology = filtered(schema, (s) => s.event === 'paid')
  expect(await amountsIn(topology, sales({ event: 'paid' }, { event: 'sent' }))).toEqual([1])
})

test('no sender chooses the features', async () => {
  const topology = filtered(z.looseObject(fields), ({ event, features }) => {
    return event.amount > 1 && features.sum > 1
  })
  const forged = sales({}, { event: { amount: 0 }, features: { sum: 0 } })
  expect(await amountsIn(topology, forged)).toEqual([2])
})

test('branches, and the rules and the reuse of scores, take the same', async () => {
  const amount = rule({ outputs: ['p'] }, ({ sum }: { sum: number }) => ({ p: sum }))
  const rows = '{"id":"a","p":0.5,"at":0}\n'
  const from = file(new URL(`file://${folderWith({ 'shops.ndjson': rows })}/shops.ndjson`))
  const Shop = z.object({ id: z.string(), p: z.number(), at: z.number() })
  const topology = defineTopology('t', (t) => {
    const shops = t.table('shops', { schema: Shop, key: (s) => s.id, from })
    const { large, rest } = t
      .source('sales', optionsOf(Closed))
      .features((f) => ({
        ...sums(f),
        risk: f
          .events({})
          .lookup(shops, (s) => s.shop)
          .value((s) => s.p),
      }))
      .branch({ large: ({ event, lookup }) => event.amount > 1 && lookup.shops?.id === 'a' })
    const scored = large.score(
      {
        models: { main: amount, other: amount },
        route: [{ to: 'other', when: ({ features }) => features.sum > 5 }],
        otherwise: 'main',
        reuse: {
          table: shops,
          score: ({ p }) => ({ p }),
          at: () => START_MS,
          maxAge: minutes(9),
          unless: ({ event }) => event.amount > 2,
        },
      },
      { carry: ['risk'] },
    )
    return [scored.map((s) => [s.event.amount, s.route]).sink('routes'), rest.sink('out')]
  })
  const driver = await TopologyDriver.start(topology)
  await driver.pipe(sales({}, {}, {}))
  expect(driver.outputs('routes').map(({ value }) => value)).toEqual([
    [2, 'reuse'],
    [3, 'other'],
  ])
  expect(driver.outputs('out').map(({ value }) => value.event.amount)).toEqual([1])
  await driver.stop()
})

test('a condition on a feature that is not there is refused, and a map that takes two arguments', () => {
  const topology = defineTopology('t', (t) => {
    const rows = t.source('sales', optionsOf(Closed)).features(sums)
    const misspelt: Condition = (_, { summ }) => summ > 1
    const twice: Condition = (event, features) => event.amount > features.sum
    return [rows.where(misspelt).sink('a'), rows.map(twice as never).sink('b')]
  })
  expect(validateTopology(topology).map(({ where, message }) => `${where}: ${message}`)).toEqual([
    't/where: there is no feature summ',
    't/map: the function reads a second argument, and gets none',
  ])
})
