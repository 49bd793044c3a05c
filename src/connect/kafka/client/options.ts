import type { KafkaConfig } from 'kafkajs'
import { configFault, refuseIfAny, type TidemarkError } from '../../../kernel/errors.ts'
import { tlsFileFaults } from '../../../kernel/tls.ts'
import { type ClientCredentials, faultOfTokenUrl, findSigner, SIGNER } from './token-providers.ts'
import type { AccessToken } from './tokens.ts'

// How to reach the brokers. Invalid options are refused before any connection is tried.

/** TLS options. */
export interface KafkaTls {
  /**
   * Certificate authorities, PEM.
   * @default the certificate authorities that Node ships
   */
  readonly ca?: string
  /** Client certificate, PEM; with `key`, when brokers require one. */
  readonly cert?: string
  readonly key?: string
}

/** How to reach the brokers, and how a worker appears in its group. */
export interface KafkaOptions {
  /** `host:port`, at least one. */
  readonly brokers: readonly string[]
  /** @default 'tidemark' */
  readonly clientId?: string
  /** @default no TLS */
  readonly tls?: KafkaTls | true
  /** @default no authentication */
  readonly sasl?: KafkaSasl
  /**
   * Session timeout, ms: a member that the group does not hear from for this long is dead, and its
   * partitions are assigned to others. Brokers accept 6,000 to 1,800,000
   * (`group.min.session.timeout.ms`, `group.max.session.timeout.ms`).
   * @default 10_000
   */
  readonly sessionTimeoutMs?: number
  /**
   * The name of this worker, which no other worker of its group may have at the same time. A worker
   * that joins under it replaces the former holder at once.
   * @default none: a dead worker's partitions wait until its session times out
   */
  readonly workerName?: string
  /**
   * A name that this worker uses though it was not given one. A worker that joins under it replaces
   * the former holder if that came from the same address, and gives the name up when another worker
   * does so. Not together with `workerName`.
   * @default none
   */
  readonly defaultName?: string
  /**
   * Called with warnings of the client library; they never contain a payload or a key.
   * @default silence
   */
  readonly log?: KafkaLog
}

export const SESSION_TIMEOUT_MS = 10_000

export type KafkaLog = (warning: string) => void

/** @throws Refused with `CONFIG_INVALID` */
export function clientConfig(options: KafkaOptions): KafkaConfig {
  refuseIfAny(kafkaFaults(options))
  const { brokers, workerName, tls, sasl } = options
  // A worker finds its dead predecessor by the client id.
  const clientId = workerName ?? options.clientId ?? 'tidemark'
  return {
    brokers: [...brokers],
    clientId,
    ...(tls === undefined ? {} : { ssl: tls === true ? true : { ...tls } }),
    ...(sasl !== undefined && 'password' in sasl ? { sasl: passwordLogin(sasl) } : {}),
    connectionTimeout: 2_000,
    // JoinGroup and Fetch, which wait on purpose, have their own limits.
    requestTimeout: 10_000,
    // Few retries, so that an unavailable cluster is reported within seconds. All values are given,
    // because the library's defaults differ under NODE_ENV=test.
    retry: { retries: 4, initialRetryTime: 100, maxRetryTime: 1_000, multiplier: 2, factor: 0.2 },
  }
}

function passwordLogin({ mechanism, username, password }: PasswordLogin) {
  return { mechanism, username, password } as NonNullable<KafkaConfig['sasl']>
}

export function kafkaFaults({ brokers, tls, sasl }: KafkaOptions): TidemarkError[] {
  const faults: TidemarkError[] = []
  const add = (...details: Parameters<typeof configFault>) => faults.push(configFault(...details))
  if (brokers.length === 0) add('no broker is given', 'brokers', 'give at least one, as host:port')
  for (const broker of brokers) {
    if (/^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/.test(broker)) continue
    add(`broker ${JSON.stringify(broker)} is not host:port`, 'brokers')
  }
  if (sasl !== undefined) faults.push(...saslFaults(sasl, tls !== undefined))
  if (tls !== true) faults.push(...tlsFileFaults(tls ?? {}, (file) => `tls.${file}`))
  return faults
}

export const MECHANISMS = [
  'plain',
  'scram-sha-256',
  'scram-sha-512',
  'oauthbearer',
  'aws-msk-iam',
] as const satisfies readonly KafkaSasl['mechanism'][]

/** How to authenticate with the brokers. */
export type KafkaSasl = PasswordLogin | BearerOptions | MskIamOptions

/** A user with a password. */
export interface PasswordLogin {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string
  readonly password: string
}

/** An access token of an identity provider. */
export interface BearerOptions {
  readonly mechanism: 'oauthbearer'
  /**
   * Where tokens come from: an identity provider's token endpoint; a file, which is read at every
   * authentication; or a function, which is called when the token before has lived for 80 % of its
   * time.
   */
  readonly token: ClientCredentials | { readonly file: string } | (() => Promise<AccessToken>)
  /**
   * SASL extensions by name, which some brokers require, such as `logicalCluster` and
   * `identityPoolId` on Confluent Cloud.
   * @default none
   */
  readonly extensions?: Readonly<Record<string, string>>
}

/** Amazon MSK's IAM access control, with the credentials that the AWS SDK finds. */
interface MskIamOptions {
  readonly mechanism: 'aws-msk-iam'
  /** The region of the cluster, such as `eu-west-1`. */
  readonly region: string
}

function saslFault(message: string, hint?: string): TidemarkError {
  return configFault(message, 'sasl', hint)
}

const TOKENS = 'give { url, clientId, clientSecret }, { file }, or a function'

export function saslFaults(sasl: KafkaSasl, isEncrypted: boolean): TidemarkError[] {
  if (!MECHANISMS.includes(sasl.mechanism)) {
    return [saslFault(`"${sasl.mechanism}" is not ${MECHANISMS.join(' or ')}`)]
  }
  switch (sasl.mechanism) {
    case 'plain':
      return isEncrypted ? [] : [inPlainText('PLAIN', 'password', 'turn TLS on, or use SCRAM')]
    case 'oauthbearer':
      return [
        ...(isEncrypted ? [] : [inPlainText('OAUTHBEARER', 'access token', 'turn TLS on')]),
        ...tokenFaults(sasl.token),
        ...extensionFaults(sasl.extensions ?? {}),
      ]
    case 'aws-msk-iam':
      return [
        ...(isEncrypted ? [] : [inPlainText('for AWS', 'signature', 'turn TLS on')]),
        ...signerFaults(),
      ]
    case 'scram-sha-256':
    case 'scram-sha-512':
      return []
  }
}

function inPlainText(name: string, secret: string, hint: string): TidemarkError {
  return saslFault(`SASL ${name} without TLS would send the ${secret} in plain text`, hint)
}

function tokenFaults(token: BearerOptions['token']): TidemarkError[] {
  if (typeof token === 'function') return []
  const { file, url } = (token ?? {}) as { readonly file?: string; readonly url?: string }
  if (file !== undefined) return []
  if (url === undefined) return [saslFault('SASL OAUTHBEARER needs a token', TOKENS)]
  const fault = faultOfTokenUrl(url)
  return fault === null ? [] : [saslFault(`the URL of the token endpoint ${fault}`)]
}

function extensionFaults(extensions: Readonly<Record<string, string>>): TidemarkError[] {
  const wrong = Object.entries(extensions).filter(([name, value]) => !isExtension(name, value))
  return wrong.map(([name]) => {
    const message = `SASL extension ${JSON.stringify(name)} is not letters with a value in ASCII`
    return saslFault(message)
  })
}

/** Whether it can be sent; `auth` is the token's own name (RFC 7628, section 3.1). */
export function isExtension(name: string, value: string): boolean {
  return /^[A-Za-z]+$/.test(name) && name !== 'auth' && /^[ -~]+$/.test(value)
}

export function signerFaults(signer = findSigner()): TidemarkError[] {
  if (signer !== null) return []
  return [saslFault(`SASL for AWS needs the package ${SIGNER}`, `npm install ${SIGNER}`)]
}
