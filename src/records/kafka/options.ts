import type { KafkaConfig } from 'kafkajs'
import type { Clock } from '../../kernel/clock.ts'
import { refuseIfAny, TidemarkError } from '../../kernel/errors.ts'
import type { Random } from '../../kernel/random.ts'
import { type KafkaSasl, type PasswordLogin, saslFaults } from './login/sasl-options.ts'

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
  /**
   * The clock for all waiting, except in sockets and the client library.
   * @default the wall clock
   */
  readonly clock?: Clock
  /**
   * Randomises retry intervals.
   * @default Math.random
   */
  readonly random?: Random
}

/** The default session timeout, ms. */
export const SESSION_TIMEOUT_MS = 10_000

/** Called with each warning. */
export type KafkaLog = (warning: string) => void

/**
 * Returns the library's configuration, without a login with access tokens.
 * @throws Refused with `CONFIG_INVALID`
 */
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
    // Few retries, so that an unavailable cluster is reported within seconds; users of the driver
    // retry for longer. All values are given, because the library's own defaults differ under
    // NODE_ENV=test.
    retry: { retries: 4, initialRetryTime: 100, maxRetryTime: 1_000, multiplier: 2, factor: 0.2 },
  }
}

function passwordLogin({ mechanism, username, password }: PasswordLogin) {
  return { mechanism, username, password } as NonNullable<KafkaConfig['sasl']>
}

/** Returns what is wrong with the options, each a `CONFIG_INVALID` with the option as its place. */
export function kafkaFaults({ brokers, tls, sasl }: KafkaOptions): TidemarkError[] {
  const faults: TidemarkError[] = []
  const add = (where: keyof KafkaOptions, message: string, hint?: string) => {
    const details = hint === undefined ? { where } : { where, hint }
    faults.push(new TidemarkError('CONFIG_INVALID', message, details))
  }
  if (brokers.length === 0) {
    add('brokers', 'no broker is given', 'give at least one, as host:port')
  }
  for (const broker of brokers) {
    if (/^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/.test(broker)) continue
    add('brokers', `broker ${JSON.stringify(broker)} is not host:port`)
  }
  if (sasl !== undefined) {
    for (const { message, hint } of saslFaults(sasl, tls !== undefined)) add('sasl', message, hint)
  }
  if (tls !== undefined && tls !== true && (tls.cert === undefined) !== (tls.key === undefined)) {
    add('tls', 'a TLS client certificate needs both cert and key')
  }
  return faults
}
