import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { TopologyDriver } from '../../src/testing/index.ts'
import { outputTopics } from '../../src/topology/definition.ts'
import type { Topology } from '../../src/topology/stream.ts'
import { answersOf, placeOfId } from './answers.ts'
import { compareGolden, type Golden, readGolden } from './golden.ts'
import { withFeatures } from './with-features.ts'

type AnyTopology = Topology<Record<string, unknown>>

/** Every record's own timestamp where the future guard holds: later than all events but one. */
const SENT_AT_MS = Date.UTC(2026, 1, 1)

async function answersOfDriver(golden: Golden, maxAhead = golden.maxAhead) {
  const module = (await import(golden.topologyFile)) as { default: AnyTopology }
  const topology = withFeatures(module.default)
  const guard = maxAhead === null ? {} : { maxAhead }
  const driver = await TopologyDriver.start(topology, { partitions: golden.partitions, ...guard })
  try {
    const places = await driver.pipeRecords(
      golden.lines.map(({ key, value }) => ({ key, value, timestampMs: SENT_AT_MS })),
    )
    const outputs = driver.outputs(outputTopics(topology)[0] as string).map((output) => ({
      ...placeOfId(output.headers['tidemark-id'] as string),
      value: output.value,
    }))
    const deadLetters = driver.deadLetters().map(({ code, source }) => ({ code, ...source }))
    const answers = answersOf(golden, places, { outputs, deadLetters })
    return { answers, places, deadLetters, outcomes: driver.outcomes }
  } finally {
    await driver.stop()
  }
}

const folder = (name: string) => readGolden(fileURLToPath(new URL(`./${name}`, import.meta.url)))

test.each(['card-5k', 'card-28h', 'card-edge', 'flight-delay'])(
  'through the testing driver, every line of %s gets its expected answer',
  async (name) => {
    const golden = folder(name)
    const { answers, outcomes } = await answersOfDriver(golden)
    expect(compareGolden(golden, answers)).toEqual([])
    const { scored, skipped, late, dead } = outcomes
    expect(scored + skipped + late + dead).toBe(golden.lines.length)
  },
)

test('with the future guard, the clock of card-edge that is ten years ahead is set aside and the next event is scored', async () => {
  const golden = folder('card-edge')
  const { answers, places, deadLetters } = await answersOfDriver(golden, null)
  const codeOf = (line: number) =>
    deadLetters.find(
      (d) => d.partition === places[line]?.partition && d.offset === places[line]?.offset,
    )?.code
  expect(codeOf(49)).toBe('FUTURE')
  expect(answers[50]?.outcome).toBe('scored')
  const others = golden.expected.map((e, line) => (line === 49 || line === 50 ? answers[line] : e))
  expect(compareGolden({ ...golden, expected: others as typeof golden.expected }, answers)).toEqual(
    [],
  )
})
