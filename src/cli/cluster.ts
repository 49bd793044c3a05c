import type { BearerOptions, KafkaOptions, KafkaSasl } from '../connect/kafka/client/options.ts'
import type { RedisOptions } from '../connect/redis/redis-client.ts'
import type { ConfluentRegistry, RegistryOptions } from '../registry/confluent-registry.ts'
import type { CLUSTER_SETTINGS, Config } from './settings.ts'

// Brokers and a schema registry, as the settings name them.

export type ClusterConfig = Config<(typeof CLUSTER_SETTINGS)[number]>

export function kafkaOptions(
  config: ClusterConfig,
): Pick<KafkaOptions, 'brokers' | 'tls' | 'sasl'> {
  const { brokers, tls, tlsCa: ca, tlsCert: cert, tlsKey: key } = config
  const sasl = saslOf(config)
  return { brokers, ...(tls && { tls: given({ ca, cert, key }) }), ...(sasl && { sasl }) }
}

/** `readConfig` has refused a login that lacks a part. */
function saslOf(config: ClusterConfig): KafkaSasl | null {
  const { saslMechanism: mechanism } = config
  if (mechanism === null) return null
  if (mechanism === 'aws-msk-iam') return { mechanism, region: config.awsRegion ?? '' }
  if (mechanism === 'oauthbearer') {
    const extensions = Object.fromEntries(config.saslExtension)
    return { mechanism, token: tokenOf(config), extensions }
  }
  const password = config.saslPasswordFile ?? config.saslPassword ?? ''
  return { mechanism, username: config.saslUsername ?? '', password }
}

function tokenOf(config: ClusterConfig): BearerOptions['token'] {
  const { saslTokenFile: file, saslScope: scope, saslTokenCa: ca } = config
  if (file !== null) return { file }
  return {
    url: config.saslTokenUrl ?? '',
    clientId: config.saslClientId ?? '',
    clientSecret: config.saslClientSecretFile ?? config.saslClientSecret ?? '',
    ...given({ scope, ca }),
  }
}

function given<K extends string>(values: Readonly<Record<K, string | null>>) {
  const set = Object.entries(values).filter(([, value]) => value !== null)
  return Object.fromEntries(set) as { [N in K]?: string }
}

/** The schema registry that the settings name, as a choice; empty: none. */
function chosenRegistry(config: ClusterConfig): { readonly registry?: RegistryOptions } {
  const { registry: url, registryUsername: username, registryCa: ca } = config
  if (url === null) return {}
  const password = config.registryPasswordFile ?? config.registryPassword ?? ''
  const login = username === null ? {} : { login: { username, password } }
  return { registry: { url, ...login, ...given({ ca }) } }
}

/** The schema registry and Redis that the settings name, as choices. */
export function chosenServices(config: ClusterConfig) {
  const { redis: urls, redisPasswordFile, redisPassword } = config
  const { redisCa: ca, redisCert: cert, redisKey: key } = config
  const password = redisPasswordFile ?? redisPassword
  const redis: RedisOptions = { urls, password, ca, cert, key }
  return { ...chosenRegistry(config), ...(urls.length > 0 && { redis }) }
}

/** A client of the schema registry that the settings name; `null`: they name none. */
export async function openRegistry(config: ClusterConfig): Promise<ConfluentRegistry | null> {
  const { registry } = chosenRegistry(config)
  if (registry === undefined) return null
  const { ConfluentRegistry } = await import('../registry/confluent-registry.ts')
  return new ConfluentRegistry(registry)
}
