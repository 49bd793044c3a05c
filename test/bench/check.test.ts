import { fileURLToPath } from 'node:url'
import { beforeAll, expect, it } from 'vitest'
import { readGolden } from '../golden/golden.ts'
import { agrees, compareOutputs, type Expectation, expectedOf, openModel } from './check.ts'

// The expected outputs of card-5k come from another program: they must pass, and each fault in them
// must be found.

const golden = readGolden(fileURLToPath(new URL('../golden/card-5k', import.meta.url)))
const outputs = golden.lines.flatMap(({ value }, line) => {
  const { outcome, probability } = golden.expected[line] ?? {}
  if (outcome !== 'scored') return []
  const { paymentId, cardId, paidAt } = JSON.parse(value) as Record<string, unknown>
  return [{ paymentId, cardId, paidAt, probability: probability as number }]
})
const first = outputs[0] as (typeof outputs)[number]

let expectation: Expectation
beforeAll(async () => {
  const model = await openModel(new URL('../fixtures/models/card-gbdt.onnx', import.meta.url))
  expectation = await expectedOf(
    golden.lines.map(({ key, value }) => Buffer.from(`${key}\t${value}`)),
    model,
  )
  await model.close()
})

const compare = (of: readonly object[]) =>
  compareOutputs(
    expectation,
    of.map((output) => Buffer.from(JSON.stringify(output))),
  )

it('every expected output of card-5k agrees', async () => {
  const verdict = await compare(outputs)
  expect(verdict).toMatchObject({ outputs: outputs.length, missing: 0, duplicates: 0 })
  expect(verdict).toMatchObject({ unexpected: 0, different: 0 })
  expect(verdict.largestDifference).toBeLessThan(1e-7)
  expect(agrees(verdict)).toBe(true)
})

it('late and malformed lines are distinguished', () => {
  const of = (outcome: string) => golden.expected.filter((e) => e.outcome === outcome).length
  expect(expectation).toMatchObject({ late: of('late'), malformed: of('malformed') })
  expect(of('late')).toBeGreaterThan(0)
  expect(of('malformed')).toBeGreaterThan(0)
})

it.each([
  ['one left out', outputs.slice(1), { missing: 1 }],
  ['one twice', [...outputs, first], { duplicates: 1 }],
  ['one of no payment', [...outputs, { ...first, paymentId: 'p-x' }], { unexpected: 1 }],
  ['one with another card', [{ ...first, cardId: 'c-x' }, ...outputs.slice(1)], { unexpected: 1 }],
  ['one with another time', [{ ...first, paidAt: 1 }, ...outputs.slice(1)], { unexpected: 1 }],
  [
    'one a little off',
    [{ ...first, probability: first.probability + 2e-6 }, ...outputs.slice(1)],
    { different: 1 },
  ],
  ['one without', [{ ...first, probability: null }, ...outputs.slice(1)], { different: 1 }],
])('in outputs, %s is found', async (_what, changed, found) => {
  const verdict = await compare(changed)
  expect(verdict).toMatchObject(found)
  expect(agrees(verdict)).toBe(false)
})
