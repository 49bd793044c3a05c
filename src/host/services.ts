import type { KafkaRecords } from '../connect/kafka/kafka-records.ts'
import { systemsOf } from '../connect/table.ts'
import type { ConfluentRegistry } from '../registry/confluent-registry.ts'
import { chosenRegistry } from '../registry/settings.ts'
import type { CLUSTER_SETTINGS, Config } from './settings.ts'

// The systems outside, as the settings name them.

export type ClusterConfig = Config<(typeof CLUSTER_SETTINGS)[number]>

/** The schema registry and other systems that the settings name, as choices. */
export function chosenServices(config: ClusterConfig) {
  return { ...chosenRegistry(config), systems: systemsOf(config) }
}

/** A client of the schema registry that the settings name; `null`: they name none. */
export async function openRegistry(config: ClusterConfig): Promise<ConfluentRegistry | null> {
  const { registry } = chosenRegistry(config)
  if (registry === undefined) return null
  const { ConfluentRegistry } = await import('../registry/confluent-registry.ts')
  return new ConfluentRegistry(registry)
}

/** Does work with the brokers that the settings name, and closes the connections. */
export async function withKafka<R>(
  config: ClusterConfig,
  work: (records: KafkaRecords) => Promise<R>,
): Promise<R> {
  const [{ KafkaRecords }, { kafka }] = await Promise.all([
    import('../connect/kafka/kafka-records.ts'),
    import('../connect/kafka/connector.ts'),
  ])
  const records = new KafkaRecords(kafka.optionsOf(config))
  try {
    return await work(records)
  } finally {
    await records.close()
  }
}
