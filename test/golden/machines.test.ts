import { readFileSync } from 'node:fs'
import { TopologyDriver } from 'tidemark/testing'
import { expect, test } from 'vitest'
import { functionReadings } from '../../src/engine/author-functions.ts'
import { readOnnx } from '../../src/trees/onnx-file.ts'
import { recognise } from '../../src/trees/recognise.ts'
import { answersOf, placeOfId } from './answers.ts'
import { compareGolden, readGolden } from './golden.ts'
import machines from './topologies/machines.ts'
import { withFeatures } from './with-features.ts'

const golden = readGolden(new URL('machines', import.meta.url).pathname)
const SENT_AT_MS = Date.UTC(2026, 2, 10)

test("features are pandas' and scores LightGBM's, and the likely failures are alerts", async () => {
  const driver = await TopologyDriver.start(withFeatures(machines), { partitions: 3 })
  try {
    const lines = golden.lines.map(({ key, value }) => ({ key, value, timestampMs: SENT_AT_MS }))
    const places = await driver.pipeRecords(lines)
    const written = (['alerts', 'failures'] as const).map((topic) =>
      driver.outputs(topic).map(({ headers, value }) => {
        return { ...placeOfId(headers['tidemark-id'] as string), headers, value }
      }),
    )
    const outcome = { outputs: written.flat(), deadLetters: [] }
    expect(driver.deadLetters()).toEqual([])
    expect(compareGolden(golden, answersOf(golden, places, outcome))).toEqual([])
    const isAlert = ({ value }: { value: unknown }) =>
      (value as { probability: number }).probability > 0.8
    const [alerts = [], others = []] = written
    expect(alerts.length).toBeGreaterThan(50)
    expect([alerts.every(isAlert), others.some(isAlert)]).toEqual([true, false])
  } finally {
    await driver.stop()
  }
})

test('its trees are computed in the worker', () => {
  const model = new URL('../fixtures/models/machine-failure.onnx', import.meta.url)
  const wanted = [{ tensor: 'probabilities', column: 1 }]
  const read = () =>
    recognise(readOnnx(readFileSync(model)), { input: 'features', features: 11, wanted })
  expect(read).not.toThrow()
})

test('its functions before the model are compiled', () => {
  const called = functionReadings(machines).filter(({ what }) => what === 'called')
  expect(called.map(({ where }) => where)).toEqual(['branch.alert'])
})
