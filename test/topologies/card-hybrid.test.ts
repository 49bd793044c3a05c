import { readFileSync } from 'node:fs'
import { hours, type OutputOf } from 'tidemark'
import { TopologyDriver } from 'tidemark/testing'
import { beforeAll, expect, test } from 'vitest'
import type { z } from 'zod'
import cardHybrid from '../../topologies/card-hybrid.ts'
import cardNightly from '../../topologies/card-nightly.ts'
import type { Payment } from '../../topologies/payment.ts'
import { naiveDrift } from '../runtime/tables/naive-reuse.ts'
import { startDriver } from '../support/driver.ts'

type Payment = z.infer<typeof Payment>

function sample(name: string): Payment[] {
  const text = readFileSync(new URL(`../../topologies/samples/${name}`, import.meta.url), 'utf8')
  const lines = text.trim().split('\n')
  return lines.map((line) => JSON.parse(line.slice(line.indexOf('\t') + 1)) as Payment)
}

const day = sample('payments-day.tsv')
const payments = [...day, ...sample('payments-morning.tsv')]
const MODEL = 'card-mlp@1+e9c333d6'

type Run = OutputOf<typeof cardNightly, 'nightly'>

/** What the nightly topology gives for every payment, in order: the model runs on all of them. */
let runs: readonly Run[]
/** By card, that of its last payment of the day. */
let rows: ReadonlyMap<string, Run>

const placeOf = (cardId: string, atMs: number) => `${cardId} ${atMs}`

async function runsOf(given: readonly Payment[]): Promise<Run[]> {
  const driver = await TopologyDriver.start(cardNightly)
  await driver.pipe(given)
  await driver.stop()
  const outputs = driver.take('nightly').map(({ value }) => value)
  const byPlace = new Map(outputs.map((run) => [placeOf(run.cardId, run.scoredAtMs), run]))
  return given.map(({ cardId, paidAt }) => byPlace.get(placeOf(cardId, paidAt)) as Run)
}

beforeAll(async () => {
  runs = await runsOf(payments)
  const ofDay = runs.slice(0, day.length)
  rows = new Map(ofDay.map((run) => [run.cardId, run]))
})

function wanted(payment: Payment, run: Run) {
  const { paymentId } = payment
  const live = { paymentId, probability: run.score, model: 'card-mlp@1', route: 'live' }
  const row = rows.get(payment.cardId)
  if (row === undefined || payment.amount > 500) return { ...live, reuse: null }
  const ageMs = payment.paidAt - row.scoredAtMs
  const all = [...rows.values()].map(({ features }) => features)
  const drift = naiveDrift(all, row.features, run.features)
  const isHeld = drift !== null && drift <= 0.75 && ageMs >= 0 && ageMs <= hours(24)
  if (!isHeld) return { ...live, reuse: null }
  const confidence = Math.max(row.score, 1 - row.score) * (1 - drift)
  const reuse = { ageMs, drift, confidence }
  return { paymentId, probability: row.score, model: MODEL, route: 'reuse', reuse }
}

test.each([
  ['in one piece', payments.length],
  ['with a restart after every 40th payment', 40],
])('every payment of the samples has the score that an oracle says, %s', async (_, pieces) => {
  const tables = { nightly: [...rows.values()].map((row) => ({ value: nightlyRow(row) })) }
  const driver = await startDriver(cardHybrid, { tables })
  for (let from = 0; from < payments.length; from += pieces) {
    if (from > 0) await driver.restart()
    await driver.pipe(payments.slice(from, from + pieces))
  }
  const byId = new Map(driver.take('predictions').map(({ value }) => [value.paymentId, value]))
  for (const [i, payment] of payments.entries()) {
    const { reuse, ...others } = wanted(payment, runs[i] as Run)
    const told = byId.get(payment.paymentId)
    expect(told).toMatchObject(others)
    expect(told?.reuse?.ageMs).toBe(reuse?.ageMs)
    expect(told?.reuse?.drift ?? 0).toBeCloseTo(reuse?.drift ?? 0, 6)
    expect(told?.reuse?.confidence ?? 0).toBeCloseTo(reuse?.confidence ?? 0, 6)
  }
  expect(byId.size).toBe(payments.length)
})

function nightlyRow(row: Run) {
  return { ...row, 'tidemark-model': MODEL }
}
