// What a test of a topology imports: it runs the topology as in production, without a broker.

export type { Input } from './inputs.ts'
export { type DriverMatchers, matchers } from './matchers.ts'
export type { ModelFunction } from './model-functions.ts'
export { type DeadLetter, deduplicate, type Output } from './outputs.ts'
export { type DriverOptions, TopologyDriver } from './topology-driver.ts'
