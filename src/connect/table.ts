import type { Setting } from '../kernel/setting.ts'
import { redisConnector } from './redis/connector.ts'
import type { RedisOptions } from './redis/redis-client.ts'
import type { Connector } from './system.ts'

// The systems outside, beside the log, that topologies may name.

/** By the name that topologies and settings have for it. */
const CONNECTORS = { redis: redisConnector }

/** Where systems are. */
export interface SystemOptions {
  /** Redis, for stores whose rows are in it and sinks that write to it. @default none */
  readonly redis?: RedisOptions
}

export const connectors = new Map<string, Connector>(Object.entries(CONNECTORS))

type All = (typeof CONNECTORS)[keyof typeof CONNECTORS]['settings']

/** The settings of all systems. */
export const SYSTEM_SETTINGS: All = Object.assign(
  {},
  ...[...connectors.values()].map(({ settings }) => settings as Record<string, Setting<unknown>>),
)

/** The options of each system, by its connector, as the values of settings say. */
export function systemsOf(values: Readonly<Record<string, unknown>>): SystemOptions {
  const options = [...connectors].map(([name, connector]) => [name, connector.optionsOf(values)])
  return Object.fromEntries(options.filter(([, given]) => given !== null))
}
