import type { RunWorkerOptions } from '../host/options.ts'
import type { Config } from './config.ts'
import { KAFKA_SETTINGS, kafkaOptions } from './kafka-options.ts'
import { PREPARE_SETTINGS } from './prepare-settings.ts'
import { REGISTRY_SETTINGS } from './registry-options.ts'
import { MEGABYTE, SECOND } from './settings.ts'

/** The settings that `tidemark run` takes. */
export const RUN_SETTINGS = [
  ...KAFKA_SETTINGS,
  ...PREPARE_SETTINGS,
  ...REGISTRY_SETTINGS,
  'group',
  'from',
  'rebuild',
  'guarantee',
  'compression',
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
/** The values of these settings. */
export type RunConfig = Config<(typeof RUN_SETTINGS)[number]>

/** The settings as options of `runWorker`, without HTTP, and without topics and models. */
export function optionsOf(config: RunConfig): RunWorkerOptions {
  const { statusInterval } = config
  return {
    ...kafkaOptions(config),
    ...withoutNulls({
      group: config.group,
      workerName: config.workerName,
      commitIntervalMs: config.commitInterval,
      deadLetterBreakerPercent: config.deadLetterBreaker,
      maxKeys: config.maxKeys,
      maxStateBytes: config.maxStateMb === null ? null : config.maxStateMb * MEGABYTE,
    }),
    from: config.from,
    guarantee: config.guarantee,
    compression: config.compression,
    rebuildMs: config.rebuild,
    maxCommitBytes: config.maxCommitMb * MEGABYTE,
    maxInFlightBytes: config.maxInFlightMb * MEGABYTE,
    sessionTimeoutMs: config.sessionTimeout * SECOND,
    statusEveryMs: statusInterval === 'off' ? 'off' : statusInterval * SECOND,
  }
}

/** The address that `run` serves HTTP on; `null`: none. */
export function httpAddressOf({ httpPort, httpHost }: RunConfig) {
  return httpPort === 'off' ? null : { port: httpPort, host: httpHost }
}

type WithoutNulls<T> = { [K in keyof T]?: NonNullable<T[K]> }

/** Removes settings that are `null`, so that the worker uses its defaults. */
function withoutNulls<T extends object>(settings: T): WithoutNulls<T> {
  return Object.fromEntries(
    Object.entries(settings).filter(([, value]) => value !== null),
  ) as WithoutNulls<T>
}
