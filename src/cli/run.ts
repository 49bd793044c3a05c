import { Command } from 'commander'
import type { Logger } from 'pino'
import type { StateLimits } from '../engine/state-limits.ts'
import { wallClock } from '../kernel/clock.ts'
import { messageOf, TidemarkError } from '../kernel/errors.ts'
import { createLog } from '../observe/log.ts'
import { logEvents } from '../observe/log-events.ts'
import { type LogStream, toStderr } from '../observe/log-stream.ts'
import { createMetrics } from '../observe/metrics.ts'
import { observeAll } from '../observe/observe-all.ts'
import { KafkaRecords } from '../records/kafka/kafka-records.ts'
import type { Observer } from '../runtime/events.ts'
import { limitsOfMachine } from '../runtime/machine-limits.ts'
import type { Prepared } from '../runtime/prepare.ts'
import { startWorker } from '../runtime/worker.ts'
import { createHealth, type Health } from '../serve/health.ts'
import { type HttpServer, serveHttp } from '../serve/http.ts'
import { addSettings, type Config, readConfig } from './config.ts'
import { groupOf, KAFKA_SETTINGS, kafkaOptions } from './kafka-options.ts'
import { summaryOf } from './outline.ts'
import { PREPARE_SETTINGS, prepareFiles } from './prepare-files.ts'
import { colors, faultsOf, say, sayNotes, sayTo } from './print.ts'
import { type Ending, untilSignal } from './signals.ts'
import { packageVersion } from './version.ts'
import { warnThrough } from './warnings.ts'
import { watchedTopology } from './watched-topology.ts'

const SETTINGS = [
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
const MEGABYTE = 1_000_000
type RunConfig = Config<(typeof SETTINGS)[number]>

/** `tidemark run FILE…` */
export function run(): Command {
  const command = new Command('run')
    .description('join a consumer group on Kafka and score until told to stop')
    .argument('<files...>', 'topologies')
    .action(async (files: string[], flags: Record<string, unknown>) => {
      const stderr = toStderr()
      sayTo(stderr)
      const config = readConfig(SETTINGS, flags)
      // Before the models are loaded: a container's first process drops a signal that nobody listens to.
      const ended = untilSignal()
      try {
        const prepared = await prepareFiles(files, config)
        try {
          if (!ended.hasCome) await work(prepared, config, { ended, stderr })
        } finally {
          await prepared.close()
        }
      } finally {
        ended.dispose()
      }
    })
  return addSettings(command, SETTINGS)
}

interface Process {
  readonly ended: Ending
  readonly stderr: LogStream
}

async function work(
  prepared: Prepared,
  config: RunConfig,
  { ended, stderr }: Process,
): Promise<void> {
  const log = createLog({ format: config.logFormat, colors, stream: stderr })
  log.level = config.logLevel
  warnThrough(({ name, message, stack }) => {
    log.warn({ warning: name }, message)
    log.debug({ stack }, 'where the warning comes from')
  })
  const watch = await watchers(prepared, config, { log, stderr })
  const { guarantee, commitInterval, deadLetterBreaker, workerName } = config
  const records = new KafkaRecords({
    ...kafkaOptions(config),
    sessionTimeoutMs: config.sessionTimeout * 1_000,
    ...(workerName === null ? {} : { workerName }),
    // While it does not run, its state tells what keeps it.
    log: (warning) => {
      if (watch.health.readiness().state === 'running') log.warn(warning)
    },
  })
  const group = groupOf(config, prepared)
  banner(prepared, { config, group, http: watch.http })
  log.info({ group, guarantee, ...(workerName && { workerName }) }, 'worker starts')
  const worker = startWorker({
    prepared,
    records,
    group,
    observer: watch.observer,
    brokers: config.brokers.join(','),
    from: config.from,
    rebuildMs: config.rebuild,
    guarantee,
    ...(commitInterval === null ? {} : { commitIntervalMs: commitInterval }),
    maxCommitBytes: config.maxCommitMb * MEGABYTE,
    maxInFlightBytes: config.maxInFlightMb * MEGABYTE,
    ...(deadLetterBreaker === null ? {} : { breakerPercent: deadLetterBreaker }),
    limits: limitsOf(config),
  })
  try {
    await Promise.race([ended.promise, worker.done])
    await worker.stop()
  } catch (thrown) {
    logFailure(thrown, log)
    throw thrown
  } finally {
    await records.close()
    await watch.http?.close()
  }
}

/** For machines, which do not read what is said to people. */
function logFailure(thrown: unknown, log: Logger): void {
  for (const fault of faultsOf(thrown)) {
    const { code, where, hint } = fault instanceof TidemarkError ? fault : { code: 'INVARIANT' }
    log.error({ code, where, hint }, messageOf(fault))
  }
}

function limitsOf({ maxKeys, maxStateMb }: RunConfig): StateLimits {
  const machine = limitsOfMachine()
  return {
    maxKeys: maxKeys ?? machine.maxKeys,
    maxBytes: maxStateMb === null ? machine.maxBytes : maxStateMb * MEGABYTE,
  }
}

/** All that looks on: metrics, log, and the HTTP server when it is wanted. */
async function watchers(
  prepared: Prepared,
  { httpHost: host, httpPort: port, statusInterval }: RunConfig,
  { log, stderr }: { readonly log: Logger; readonly stderr: LogStream },
): Promise<{ observer: Observer; health: Health; http: HttpServer | null }> {
  const metrics = createMetrics({
    version: packageVersion(),
    topologies: prepared.topologies.map(watchedTopology),
    droppedLines: () => stderr.dropped,
  })
  const health = createHealth()
  const statusEveryMs = statusInterval === 'off' ? null : statusInterval * 1_000
  const logged = logEvents(log, { clock: wallClock, statusEveryMs })
  return {
    observer: observeAll(metrics.observer, health.observer, logged),
    health,
    http: port === 'off' ? null : await serveHttp({ host, port, health, metrics }),
  }
}

interface Start {
  readonly config: RunConfig
  readonly group: string
  readonly http: HttpServer | null
}

function banner({ topologies, notes }: Prepared, { config, group, http }: Start): void {
  const { dim, bold } = colors
  const line = (name: string, value: string) => say(`  ${dim(name.padEnd(9))}  ${value}`)
  say(`${bold('tidemark')} ${packageVersion()}`)
  for (const topology of topologies) {
    line('topology', summaryOf(topology))
    for (const { label, sha256 } of topology.scorers.values()) {
      line('model', `${label}  sha256 ${sha256.slice(0, 12)}…`)
    }
    line('by', topology.by)
  }
  line('brokers', config.brokers.join(', '))
  line('group', group)
  if (config.workerName !== null) line('worker', config.workerName)
  const { guarantee, commitInterval } = config
  line(
    'guarantee',
    commitInterval === null ? guarantee : `${guarantee}, a commit each ${commitInterval} ms`,
  )
  line('http', http === null ? 'off' : `http://${http.host}:${http.port}/metrics /livez /readyz`)
  sayNotes(notes)
}
