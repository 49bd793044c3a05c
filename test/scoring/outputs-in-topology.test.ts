import { defineTopology, onnxModel, seconds } from 'tidemark'
import { TopologyDriver } from 'tidemark/testing'
import { expect, test } from 'vitest'
import { z } from 'zod'
import type { ModelDefinition } from '../../src/topology/models.ts'
import { cardModel } from './support.ts'

// How a topology reads the outputs of a model: with the production runtime and real models, and
// features taken straight from the events.

const AT_MS = Date.UTC(2026, 0, 1)
const Row = z.object({ at: z.number(), row: z.array(z.number()) })

interface Scored {
  readonly score: Record<string, unknown>
}

/** The scores of rows, and the dead letters. */
async function scoresOf(definition: ModelDefinition, rows: readonly (readonly number[])[]) {
  const model = onnxModel(definition)
  const topology = defineTopology('rows', (t) =>
    t
      .source('rows', {
        schema: Row,
        key: () => 'k',
        eventTimeMs: (e) => e.at,
        watermark: { lag: seconds(1) },
        onLate: 'dead-letter',
      })
      .features((f) => {
        const events = f.events({})
        return Object.fromEntries(
          model.features.map((name, i) => [name, events.value((e) => e.row[i] as number)]),
        )
      })
      .score(model)
      .sink('scored'),
  )
  const driver = await TopologyDriver.start(topology)
  await driver.pipeRecords(
    rows.map((row, i) => ({ key: 'k', value: { at: AT_MS + i, row }, timestampMs: AT_MS + i })),
  )
  const outputs = driver.outputs('scored') as { value: Scored }[]
  const letters = driver.deadLetters().map(({ code, message }) => ({ code, message }))
  await driver.stop()
  return { scores: outputs.map((o) => o.value.score), letters }
}

/** softmax(a, b, a − b), as in the fixture. */
function riskOf([a = 0, b = 0]: readonly number[]) {
  const [low = 0, mid = 0, high = 0] = [a, b, a - b].map(Math.exp)
  const all = low + mid + high
  return { low: low / all, mid: mid / all, high: high / all }
}

test('columns are output by name, a label as an integer', async () => {
  const outputs = {
    risk: { tensor: 'risk', columns: ['low', 'mid', 'high'] },
    label: { tensor: 'label', column: 0 },
    high: { tensor: 'risk', column: 2 },
  }
  const rows = Array.from({ length: 21 }, (_, i) => [(i % 7) - 3, Math.floor(i / 7) - 1])
  const { scores } = await scoresOf(cardModel('risk', { features: ['a', 'b'], outputs }), rows)
  expect(Object.keys(scores[0] ?? {})).toEqual(['risk', 'label', 'high'])
  for (const [i, row] of rows.entries()) {
    const risk = riskOf(row)
    const likelihoods = Object.values(risk)
    expect(scores[i]).toEqual({
      risk: {
        low: expect.closeTo(risk.low, 6),
        mid: expect.closeTo(risk.mid, 6),
        high: expect.closeTo(risk.high, 6),
      },
      label: likelihoods.indexOf(Math.max(...likelihoods)),
      high: expect.closeTo(risk.high, 6),
    })
  }
})

test('an integer that a JavaScript number cannot represent makes only its own event a dead letter', async () => {
  const outputs = { whole: { tensor: 'i64', columns: ['a', 'b'] } }
  const model = cardModel('every-type', { features: ['a', 'b'], outputs })
  const rows = [
    [1, 2],
    [3, 2 ** 60],
    [2 ** 30, -4],
  ]
  expect(await scoresOf(model, rows)).toEqual({
    scores: [{ whole: { a: 1, b: 2 } }, { whole: { a: 2 ** 30, b: -4 } }],
    letters: [
      { code: 'SCORE_NOT_FINITE', message: 'model every-type@1 gave Infinity for "whole.b"' },
    ],
  })
})
