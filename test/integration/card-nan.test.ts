import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { TopologyDriver } from '../../src/testing/index.ts'
import cardFraud from '../../topologies/card-fraud.ts'

// A model that gives NaN wherever the amount is over 150.
const CARD_NAN = 'test/fixtures/models/card-nan.onnx'

test('a score that is NaN sets its own event aside; its neighbours in the batch are scored', async () => {
  const lines = readFileSync('topologies/samples/payments.tsv', 'utf8').trimEnd().split('\n')
  const inputs = lines.map((line) => {
    const [key = '', value = ''] = line.split('\t')
    return { key, value }
  })
  const large = inputs.filter(({ value }) => (JSON.parse(value) as { amount: number }).amount > 150)
  const driver = await TopologyDriver.start(cardFraud, { models: { 'card-gbdt': CARD_NAN } })
  try {
    await driver.pipeRecords(inputs)
    const letters = driver.deadLetters()
    const nan = letters.filter(({ code }) => code === 'SCORE_NOT_FINITE')
    expect(nan.map(({ value }) => String(value))).toEqual(large.map(({ value }) => value))
    expect(nan[0]).toMatchObject({ step: 'card-gbdt' })
    expect(driver.outputs('predictions')).toHaveLength(inputs.length - letters.length)
  } finally {
    await driver.stop()
  }
})
