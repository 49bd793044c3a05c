import { TopologyDriver } from '../../src/testing/index.ts'
import type { Topology } from '../../src/topology/stream.ts'
import { answersOf, placeOfId, sinkOf } from './answers.ts'
import type { Golden } from './golden.ts'
import { withFeatures } from './with-features.ts'

type AnyTopology = Topology<Record<string, unknown>>

/** Every record's own timestamp where the future guard holds: later than all events but one. */
const SENT_AT_MS = Date.UTC(2026, 1, 1)

/**
 * Pipes the lines through the testing driver.
 *
 * @param change of the topology @default none
 */
export async function throughDriver(
  golden: Golden,
  change: (topology: AnyTopology) => AnyTopology = (topology) => topology,
) {
  const module = (await import(golden.topologyFile)) as { default: AnyTopology }
  const topology = change(withFeatures(module.default))
  const guard = golden.maxAhead === null ? {} : { maxAhead: golden.maxAhead }
  const driver = await TopologyDriver.start(topology, { partitions: golden.partitions, ...guard })
  try {
    const places = await driver.pipeRecords(
      golden.lines.map(({ key, value }) => ({ key, value, timestampMs: SENT_AT_MS })),
    )
    const outputs = driver.outputs(sinkOf(topology)).map(({ headers, value }) => ({
      ...placeOfId(headers['tidemark-id'] as string),
      headers,
      value,
    }))
    const deadLetters = driver.deadLetters().map(({ code, source }) => ({ code, ...source }))
    const answers = answersOf(golden, places, { outputs, deadLetters })
    return { answers, places, outputs, deadLetters, outcomes: driver.outcomes }
  } finally {
    await driver.stop()
  }
}
