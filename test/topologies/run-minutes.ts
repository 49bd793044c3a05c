import { TopologyDriver } from '../../src/testing/index.ts'
import type { Topology } from '../../src/topology/stream.ts'
import { type Line, minutesOf } from './minutes-by-hand.ts'

export const PARTITIONS = 3

/**
 * Runs a topology over lines, uninterrupted, and returns its outputs to a sink and the minutes as
 * counted by hand.
 */
export async function runMinutes<Out, K extends keyof Out & string>(
  topology: Topology<Out>,
  { sink, graceMs }: { sink: K; graceMs: number },
  lines: readonly Line[],
) {
  const driver = await TopologyDriver.start(topology, { partitions: PARTITIONS })
  try {
    const places = await driver.pipeRecords(lines)
    const partitions = places.map((p) => p.partition)
    const minutes = minutesOf(lines, partitions, graceMs)
    return { outputs: driver.outputs(sink), outcomes: driver.outcomes, minutes }
  } finally {
    await driver.stop()
  }
}
