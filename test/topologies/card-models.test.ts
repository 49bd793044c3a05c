import { days, minutes, seconds } from 'tidemark'
import { expect, test } from 'vitest'
import cardModels from '../../topologies/card-models.ts'
import { startDriver } from '../support/driver.ts'
import { payment } from './payment.ts'

/** Each model answers with a number of its own. */
const MODELS = {
  'card-gbdt': () => ({ probability: 0.1 }),
  'card-mlp': () => ({ probability: 0.2 }),
  'card-gbdt-next': () => ({ probability: 0.3 }),
}
/** In the canary's tenth, and outside. */
const CANARY = 'card-3'
const OTHER = 'card-1'

async function routesOf(
  payments: readonly (ReturnType<typeof payment> & { tier?: 'basic' | 'premium' })[],
  models: Parameters<typeof startDriver>[1] = { models: MODELS },
) {
  const driver = await startDriver(cardModels, models)
  await driver.pipe(payments)
  return driver.outputs('predictions').map(({ value }) => value)
}

test('a payment that no rule takes is scored by the main model', async () => {
  expect(await routesOf([payment(minutes(1), { cardId: OTHER })])).toEqual([
    {
      paymentId: 'p-60',
      cardId: OTHER,
      paidAt: payment(minutes(1)).paidAt,
      probability: 0.1,
      model: 'card-gbdt@2',
      route: 'main',
    },
  ])
})

test('a payment of the premium tier is scored by the premium model, in the canary or not', async () => {
  const payments = [OTHER, CANARY].map((cardId) => ({
    ...payment(minutes(1), { cardId }),
    tier: 'premium' as const,
  }))
  expect(await routesOf(payments)).toMatchObject([
    { route: 'premium', model: 'card-mlp@1', probability: 0.2 },
    { route: 'premium', model: 'card-mlp@1', probability: 0.2 },
  ])
})

test('a card that has spent 10,000 within a day is scored by the premium model, from that payment on', async () => {
  const spent = [9_999, 1, 1].map((amount, i) => payment(minutes(i), { cardId: CANARY, amount }))
  const later = payment(days(1), { cardId: CANARY, amount: 1 })
  expect(await routesOf([...spent, later])).toMatchObject([
    { route: 'canary', model: 'card-gbdt-next@1', probability: 0.3 },
    { route: 'big-spender', model: 'card-mlp@1' },
    { route: 'big-spender', model: 'card-mlp@1' },
    { route: 'canary' },
  ])
})

test('one card in ten is in the canary, and stays there', async () => {
  const cards = Array.from({ length: 1_000 }, (_, n) => `card-${n}`)
  const payments = [0, 1].flatMap((round) =>
    cards.map((cardId) => payment(seconds(round), { cardId })),
  )
  const routes = (await routesOf(payments)).map(({ cardId, route }) => `${cardId} ${route}`)
  const canary = new Set(routes.filter((route) => route.endsWith(' canary')))
  expect(Math.abs(canary.size / cards.length - 0.1)).toBeLessThan(0.03)
  expect(new Set(routes).size).toBe(cards.length)
})

test('a payment that its model cannot score is scored by the rules', async () => {
  const nothing = () => ({ probability: Number.NaN })
  const payments = [10, 5_001].map((amount, i) => payment(minutes(i), { cardId: OTHER, amount }))
  const models = { ...MODELS, 'card-gbdt': nothing }
  expect(await routesOf(payments, { models })).toMatchObject([
    { route: 'fallback:score-not-finite', model: 'rules@1', probability: 0.1 },
    { route: 'fallback:score-not-finite', model: 'rules@1', probability: 0.9 },
  ])
})

test('its own models score every payment', async () => {
  const payments = [OTHER, CANARY].map((cardId) => payment(minutes(1), { cardId }))
  const [main, canary] = await routesOf(payments, {})
  for (const { probability } of [main, canary].flatMap((value) => value ?? [])) {
    expect(probability).toBeGreaterThan(0)
    expect(probability).toBeLessThan(0.5)
  }
  expect([main?.route, canary?.route]).toEqual(['main', 'canary'])
})
