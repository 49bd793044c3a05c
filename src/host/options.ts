import { type KafkaSasl, type KafkaTls, kafkaFaults } from '../connect/kafka/client/options.ts'
import { connectors, type SystemOptions } from '../connect/table.ts'
import { configFault, refuseIfAny, type TidemarkError } from '../kernel/errors.ts'
import { isLoopback } from '../kernel/node.ts'
import { integer } from '../kernel/setting.ts'
import { tlsFileFaults } from '../kernel/tls.ts'
import type { Log } from '../observe/log.ts'
import type { Registry } from '../observe/metric-registry.ts'
import type { RegistryOptions } from '../registry/confluent-registry.ts'
import {
  WORKER_SETTINGS,
  type WorkerConfig,
  workerConfig,
  workerConfigFaults,
} from '../runtime/config.ts'
import type { Observer } from '../runtime/events.ts'
import type { RequestAddress } from '../serve/request-server.ts'
import { isDefinition } from '../topology/definition.ts'

/** How a worker runs. An option that is left out has the default of `tidemark run`. */
export interface RunWorkerOptions extends Partial<WorkerConfig>, SystemOptions {
  /** Certificates, or `true` for those that Node trusts. @default no TLS */
  readonly tls?: KafkaTls | true
  /**
   * How to log in with the brokers. A login that would send a password or a token in plain text is
   * refused without TLS.
   * @default no login
   */
  readonly sasl?: KafkaSasl
  /**
   * Schema registry with Confluent's API, for topologies whose values have schemas in one.
   * @default none
   */
  readonly registry?: RegistryOptions
  /**
   * Called with what the worker does: at most a few events a chunk, never a payload or a key. An
   * observer that throws does no harm.
   */
  readonly observer?: Observer
  /** The log, such as a pino logger or `console`. @default none */
  readonly log?: Log
  /**
   * A registry of prom-client that gets the worker's metrics, beside yours, until the worker has
   * stopped: of one worker at a time. Those of the process are yours to collect. `/metrics` serves
   * it whole. @default a registry of its own, for `http`
   */
  readonly metrics?: Registry
  /**
   * Serves `/metrics`, `/livez` and `/readyz` to everybody, and `/status`, to those who have the
   * token if there is one; port 0 picks a free one.
   * @default no HTTP server
   */
  readonly http?: Pick<RequestAddress, 'port' | 'host' | 'token'>
  /**
   * Answers requests: `/predict`, `/state`, and the Open Inference Protocol. Off loopback it needs a
   * token.
   * @default no requests are answered
   */
  readonly predict?: RequestAddress
  /** Stops the worker when it aborts, as `stop()` does. @default never */
  readonly signal?: AbortSignal
}

const PORT = integer({ from: 0, to: 65_535 })

/** Every fault of the options, each a `CONFIG_INVALID` whose `where` is the option. */
function optionFaults(options: RunWorkerOptions): TidemarkError[] {
  const { brokers = WORKER_SETTINGS.brokers.fallback, tls, sasl, http, predict } = options
  const { registry } = options
  const ports = { 'http.port': http?.port, 'predict.port': predict?.port }
  const faults = Object.entries(ports).flatMap(([where, port]) => {
    const fault = port === undefined ? null : PORT.fault?.(port)
    return fault == null ? [] : [configFault(fault, where)]
  })
  const isOpen = predict !== undefined && (predict.token ?? '') === ''
  const needsToken = isOpen && !isLoopback(predict.host ?? '127.0.0.1')
  const message = 'requests from other machines need a token'
  return [
    ...kafkaFaults({ brokers, ...(tls && { tls }), ...(sasl && { sasl }) }),
    ...workerConfigFaults(options),
    ...faults,
    ...tlsFileFaults({ ca: registry?.ca }, () => 'registry.ca'),
    ...[...connectors].flatMap(([name, connector]) => {
      const given = options[name as keyof SystemOptions]
      return given === undefined ? [] : connector.faults(given)
    }),
    ...(needsToken ? [configFault(message, 'predict.token')] : []),
    ...(http?.token === '' ? [configFault('the token is empty', 'http.token')] : []),
  ]
}

/**
 * The settings of a worker, with their defaults where the options give none.
 * @throws Refused with every fault of the options, and of `more`
 */
export function checkedConfig(
  topologies: readonly unknown[],
  options: RunWorkerOptions,
  more: readonly TidemarkError[] = [],
): WorkerConfig {
  refuseIfAny([...optionFaults(options), ...topologyFaults(topologies), ...more])
  return workerConfig(options)
}

function topologyFaults(topologies: readonly unknown[]): TidemarkError[] {
  if (topologies.length === 0) return [configFault('no topology is given')]
  const hint = 'pass what defineTopology returns'
  return topologies
    .filter((topology) => !isDefinition(topology))
    .map(() => configFault('an argument is not a topology', undefined, hint))
}
