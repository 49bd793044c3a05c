import type { BearerOptions, KafkaOptions, KafkaSasl } from '../records/kafka/options.ts'
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
  'saslTokenUrl',
  'saslTokenCa',
  'saslClientId',
  'saslClientSecret',
  'saslClientSecretFile',
  'saslScope',
  'saslTokenFile',
  'saslExtension',
  'awsRegion',
] as const
/** The values of these settings. */
export type KafkaConfig = Config<(typeof KAFKA_SETTINGS)[number]>

/** These settings as options of the Kafka driver. */
export function kafkaOptions(config: KafkaConfig): Pick<KafkaOptions, 'brokers' | 'tls' | 'sasl'> {
  const sasl = saslOf(config)
  return {
    brokers: config.brokers,
    ...(config.tls ? { tls: tlsOf(config) } : {}),
    ...(sasl === null ? {} : { sasl }),
  }
}

function tlsOf({ tlsCa, tlsCert, tlsKey }: KafkaConfig) {
  return {
    ...(tlsCa === null ? {} : { ca: tlsCa }),
    ...(tlsCert === null ? {} : { cert: tlsCert }),
    ...(tlsKey === null ? {} : { key: tlsKey }),
  }
}

/** `readConfig` has refused a login that lacks a part. */
function saslOf(config: KafkaConfig): KafkaSasl | null {
  const { saslMechanism: mechanism } = config
  switch (mechanism) {
    case null:
      return null
    case 'oauthbearer':
      return {
        mechanism,
        token: tokenOf(config),
        extensions: Object.fromEntries(config.saslExtension),
      }
    case 'aws-msk-iam':
      return { mechanism, region: config.awsRegion ?? '' }
    case 'plain':
    case 'scram-sha-256':
    case 'scram-sha-512': {
      const password = config.saslPasswordFile ?? config.saslPassword ?? ''
      return { mechanism, username: config.saslUsername ?? '', password }
    }
  }
}

function tokenOf(config: KafkaConfig): BearerOptions['token'] {
  const { saslTokenFile: file, saslScope: scope, saslTokenCa: ca } = config
  if (file !== null) return { file }
  return {
    url: config.saslTokenUrl ?? '',
    clientId: config.saslClientId ?? '',
    clientSecret: config.saslClientSecretFile ?? config.saslClientSecret ?? '',
    ...(scope === null ? {} : { scope }),
    ...(ca === null ? {} : { ca }),
  }
}
