import type { RunWorkerOptions } from '../host/options.ts'
import type { Config } from './config.ts'
import { KAFKA_SETTINGS, kafkaOptions } from './kafka-options.ts'
import { PREPARE_SETTINGS } from './prepare-settings.ts'
import { MEGABYTE, SECOND } from './settings.ts'

/** The settings that `tidemark run` takes. */
export const RUN_SETTINGS = [
  ...KAFKA_SETTINGS,
  ...PREPARE_SETTINGS,
  'group',
  'from',
  'rebuild',
  'guarantee',
  'commitInterval',
  'maxCommitMb',
  'maxInFlightMb',
  'deadLetterBreaker',
  'workers',
  'workerName',
  'sessionTimeout',
  'maxKeys',
  'maxStateMb',
  'httpPort',
  'httpHost',
  'logFormat',
  'statusInterval',
  'logLevel',
] as const
export type RunConfig = Config<(typeof RUN_SETTINGS)[number]>

/** The settings as `runWorker` takes them, but for HTTP; topics and models are chosen by then. */
export function optionsOf(config: RunConfig): RunWorkerOptions {
  const { statusInterval } = config
  return {
    ...kafkaOptions(config),
    ...given({
      group: config.group,
      workerName: config.workerName,
      commitIntervalMs: config.commitInterval,
      deadLetterBreakerPercent: config.deadLetterBreaker,
      maxKeys: config.maxKeys,
      maxStateBytes: config.maxStateMb === null ? null : config.maxStateMb * MEGABYTE,
    }),
    from: config.from,
    guarantee: config.guarantee,
    rebuildMs: config.rebuild,
    maxCommitBytes: config.maxCommitMb * MEGABYTE,
    maxInFlightBytes: config.maxInFlightMb * MEGABYTE,
    sessionTimeoutMs: config.sessionTimeout * SECOND,
    statusEveryMs: statusInterval === 'off' ? 'off' : statusInterval * SECOND,
  }
}

/** Where `run` serves HTTP; `null`: nowhere. */
export function httpAddressOf({ httpPort, httpHost }: RunConfig) {
  return httpPort === 'off' ? null : { port: httpPort, host: httpHost }
}

type Given<T> = { [K in keyof T]?: NonNullable<T[K]> }

/** Without what is `null`: what a setting does not say is left to the worker. */
function given<T extends object>(settings: T): Given<T> {
  return Object.fromEntries(
    Object.entries(settings).filter(([, value]) => value !== null),
  ) as Given<T>
}
