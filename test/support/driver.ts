import type { Topology } from 'tidemark'
import { type DriverOptions, TopologyDriver } from 'tidemark/testing'
import { onTestFinished } from 'vitest'

/** A driver that is stopped after the test. */
export async function startDriver<Out>(topology: Topology<Out>, options?: DriverOptions) {
  const driver = await TopologyDriver.start(topology, options)
  onTestFinished(() => driver.stop())
  return driver
}
