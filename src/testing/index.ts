// What a test of a topology imports: the topology as it will run, without a broker.

export { type Input, type Output, type SetAside, TopologyDriver } from './topology-driver.ts'
