import type { KafkaOptions } from '../records/kafka/options.ts'
import type { Config } from './config.ts'

/** The settings for connecting to brokers. */
export const KAFKA_SETTINGS = [
  'brokers',
  'tls',
  'tlsCa',
  'tlsCert',
  'tlsKey',
  'saslMechanism',
  'saslUsername',
  'saslPassword',
  'saslPasswordFile',
] as const
/** The values of these settings. */
export type KafkaConfig = Config<(typeof KAFKA_SETTINGS)[number]>

/** These settings as options of the Kafka driver. */
export function kafkaOptions(config: KafkaConfig): Pick<KafkaOptions, 'brokers' | 'tls' | 'sasl'> {
  const { brokers, saslMechanism: mechanism } = config
  const username = config.saslUsername ?? ''
  const password = config.saslPasswordFile ?? config.saslPassword ?? ''
  return {
    brokers,
    ...(config.tls ? { tls: tlsOf(config) } : {}),
    ...(mechanism === null ? {} : { sasl: { mechanism, username, password } }),
  }
}

function tlsOf({ tlsCa, tlsCert, tlsKey }: KafkaConfig) {
  return {
    ...(tlsCa === null ? {} : { ca: tlsCa }),
    ...(tlsCert === null ? {} : { cert: tlsCert }),
    ...(tlsKey === null ? {} : { key: tlsKey }),
  }
}
