import type { KafkaConfig } from 'kafkajs'
import type { Random } from '../../kernel/backoff.ts'
import type { Clock } from '../../kernel/clock.ts'
import { refuseIfAny, TidemarkError } from '../../kernel/errors.ts'

// How to reach the brokers, and what is refused before a connection is tried.

export interface KafkaTls {
  /** PEM. @default the certificate authorities that Node ships */
  readonly ca?: string
  /** PEM; with `key`, when brokers ask clients for a certificate. */
  readonly cert?: string
  readonly key?: string
}

export interface KafkaSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string
  readonly password: string
}

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
   * A member of which the group hears nothing for so long is dead, and its partitions go to others,
   * ms. Brokers take 6,000 to 1,800,000 (`group.min.session.timeout.ms`,
   * `group.max.session.timeout.ms`). @default 10_000
   */
  readonly sessionTimeoutMs?: number
  /**
   * Of this worker, and of no other one of its group at the same time: whoever joins under it takes
   * the place of the one that had it before, at once. @default none: a dead worker's partitions
   * wait for its session to pass
   */
  readonly workerName?: string
  /**
   * A name that is not given to this worker, but that it takes: whoever joins under it takes the
   * place of the one that had it before if that came from the same address, and gives it up when
   * another one does so. Not beside `workerName`. @default none
   */
  readonly defaultName?: string
  /** Told what the client library has to say; never a payload or a key. @default silence */
  readonly log?: KafkaLog
  /**
   * By which everything is waited for, but for what sockets and the client library do. @default the
   * wall clock
   */
  readonly clock?: Clock
  /** Spreads what is tried again. @default Math.random */
  readonly random?: Random
}

/** When nothing else is said. */
export const SESSION_TIMEOUT_MS = 10_000

export type KafkaLog = (warning: string) => void

/** The library's own configuration. @throws Refused with `CONFIG_INVALID` */
export function clientConfig(options: KafkaOptions): KafkaConfig {
  refuseIfAny(kafkaFaults(options))
  const { brokers, workerName, tls, sasl } = options
  // By it a worker finds the dead one whose place it takes.
  const clientId = workerName ?? options.clientId ?? 'tidemark'
  return {
    brokers: [...brokers],
    clientId,
    ...(tls === undefined ? {} : { ssl: tls === true ? true : { ...tls } }),
    ...(sasl === undefined ? {} : { sasl: { ...sasl } as NonNullable<KafkaConfig['sasl']> }),
    connectionTimeout: 2_000,
    // JoinGroup and Fetch, which wait on purpose, have limits of their own.
    requestTimeout: 10_000,
    // Says within seconds that no broker is there; whoever uses the driver tries again with a
    // longer view. All values are given, because the library's own defaults differ under
    // NODE_ENV=test.
    retry: { retries: 4, initialRetryTime: 100, maxRetryTime: 1_000, multiplier: 2, factor: 0.2 },
  }
}

/**
 * What is wrong with how the brokers are to be reached, each a `CONFIG_INVALID` with the option as
 * its place.
 */
export function kafkaFaults({ brokers, tls, sasl }: KafkaOptions): TidemarkError[] {
  const faults: TidemarkError[] = []
  const add = (where: keyof KafkaOptions, message: string, hint?: string) => {
    const details = hint === undefined ? { where } : { where, hint }
    faults.push(new TidemarkError('CONFIG_INVALID', message, details))
  }
  if (brokers.length === 0) {
    add('brokers', 'no broker is named', 'host:port')
  }
  for (const broker of brokers) {
    if (/^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/.test(broker)) continue
    add('brokers', `broker ${JSON.stringify(broker)} is not host:port`)
  }
  if (sasl?.mechanism === 'plain' && tls === undefined) {
    add('sasl', 'SASL PLAIN without TLS would send the password open', 'turn TLS on, or use SCRAM')
  }
  if (tls !== undefined && tls !== true && (tls.cert === undefined) !== (tls.key === undefined)) {
    add('tls', 'a TLS client certificate needs both cert and key')
  }
  return faults
}
