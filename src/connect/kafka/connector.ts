import {
  NODES_OWN,
  NONE,
  oneOf,
  optional,
  pairsOf,
  pemFile,
  type RawSetting,
  readableFile,
  type Setting,
  SWITCH,
  secret,
  secretFile,
  setting,
  textWithout,
  under,
} from '../../kernel/setting.ts'
import {
  type BearerOptions,
  isExtension,
  type KafkaOptions,
  type KafkaSasl,
  kafkaFaults,
  MECHANISMS,
} from './client/options.ts'
import { faultOfTokenUrl } from './client/token-providers.ts'

const SETTINGS = under('TLS and login', {
  tls: setting<boolean>({
    value: null,
    about: 'connect to the brokers with TLS',
    fallback: false,
    kind: SWITCH,
  }),
  tlsCa: pemFile("CA certificates to verify the brokers' certificates with", NODES_OWN),
  tlsCert: pemFile('client certificate, if the brokers require one'),
  tlsKey: pemFile('private key of the client certificate'),
  saslMechanism: optional<KafkaSasl['mechanism']>(
    '<name>',
    'SASL mechanism: scram-sha-256 or scram-sha-512, or with TLS plain, oauthbearer or aws-msk-iam',
    { fallbackText: 'no authentication', kind: oneOf(MECHANISMS) },
  ),
  saslUsername: optional('<name>', 'user name for SASL'),
  saslPassword: secret('<password>', 'password for SASL'),
  saslPasswordFile: secretFile('password for SASL', 'TIDEMARK_SASL_PASSWORD'),
  saslTokenUrl: optional(
    '<url>',
    'token endpoint of the identity provider that gives access tokens for oauthbearer',
    { ...NONE, kind: textWithout(faultOfTokenUrl) },
  ),
  saslTokenCa: pemFile(
    "CA certificates to verify the token endpoint's certificate with",
    NODES_OWN,
  ),
  saslClientId: optional('<id>', 'client id at the token endpoint'),
  saslClientSecret: secret('<secret>', 'client secret at the token endpoint'),
  saslClientSecretFile: secretFile('client secret', 'TIDEMARK_SASL_CLIENT_SECRET'),
  saslScope: optional('<scope>', 'scope to request at the token endpoint', {
    fallbackText: "the provider's own default",
  }),
  saslTokenFile: optional(
    '<file>',
    'file with an access token for oauthbearer, read at each authentication',
    { kind: { parse: readableFile } },
  ),
  saslExtension: setting<ReadonlyMap<string, string>>({
    value: '<name=value>',
    about: 'SASL extension to send with the access token; repeatable',
    fallback: new Map(),
    ...NONE,
    many: true,
    kind: { parse: saslExtensions },
  }),
  awsRegion: optional('<region>', 'region of the Amazon MSK cluster, for aws-msk-iam', NONE),
})
type LoginValues = {
  readonly [N in keyof typeof SETTINGS]: (typeof SETTINGS)[N] extends Setting<infer T> ? T : never
}

/** Kafka: the log. How to reach its brokers. */
export const kafka = { settings: SETTINGS, optionsOf, faults: kafkaFaults }

function optionsOf(
  values: LoginValues & Pick<KafkaOptions, 'brokers'>,
): Pick<KafkaOptions, 'brokers' | 'tls' | 'sasl'> {
  const { brokers, tls, tlsCa: ca, tlsCert: cert, tlsKey: key } = values
  const sasl = saslOf(values)
  return { brokers, ...(tls && { tls: given({ ca, cert, key }) }), ...(sasl && { sasl }) }
}

/** `readConfig` has refused a login that lacks a part. */
function saslOf(values: LoginValues): KafkaSasl | null {
  const { saslMechanism: mechanism } = values
  if (mechanism === null) return null
  if (mechanism === 'aws-msk-iam') return { mechanism, region: values.awsRegion ?? '' }
  if (mechanism === 'oauthbearer') {
    const extensions = Object.fromEntries(values.saslExtension)
    return { mechanism, token: tokenOf(values), extensions }
  }
  const password = values.saslPasswordFile ?? values.saslPassword ?? ''
  return { mechanism, username: values.saslUsername ?? '', password }
}

function tokenOf(values: LoginValues): BearerOptions['token'] {
  const { saslTokenFile: file, saslScope: scope, saslTokenCa: ca } = values
  if (file !== null) return { file }
  return {
    url: values.saslTokenUrl ?? '',
    clientId: values.saslClientId ?? '',
    clientSecret: values.saslClientSecretFile ?? values.saslClientSecret ?? '',
    ...given({ scope, ca }),
  }
}

function given<K extends string>(values: Readonly<Record<K, string | null>>) {
  const set = Object.entries(values).filter(([, value]) => value !== null)
  return Object.fromEntries(set) as { [N in K]?: string }
}

function saslExtensions({ values }: RawSetting): Map<string, string> {
  const extensions = pairsOf(values, 'name=value')
  for (const [name, value] of extensions) {
    if (!isExtension(name, value)) throw new Error(`"${name}" is not letters with a value in ASCII`)
  }
  return extensions
}
