import { Command } from 'commander'
import { type Hosted, hostWorker } from '../host/host-worker.ts'
import type { RunWorkerOptions } from '../host/options.ts'
import { packageVersion } from '../host/version.ts'
import { createLog } from '../observe/log.ts'
import { type LogStream, toStderr } from '../observe/log-stream.ts'
import type { Prepared } from '../runtime/prepare.ts'
import { shownEvaluator } from '../scoring/scorer.ts'
import { addSettings, type Config, readConfig } from './config.ts'
import { KAFKA_SETTINGS, kafkaOptions } from './kafka-options.ts'
import { summaryOf } from './outline.ts'
import { PREPARE_SETTINGS, prepareFiles } from './prepare-files.ts'
import { colors, say, sayNotes, sayTo } from './print.ts'
import { MEGABYTE, SECOND } from './settings.ts'
import { type Ending, untilSignal } from './signals.ts'
import { warnThrough } from './warnings.ts'

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
        if (ended.hasCome) await prepared.close()
        else await work(prepared, config, { ended, stderr })
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

/** Until it ends by itself, or is told to. */
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
  const worker = await hostWorker({
    prepared,
    options: { ...optionsOf(config), log },
    droppedLines: () => stderr.dropped,
    announce: (about) => banner(prepared, config, about),
  })
  await Promise.race([ended.promise, worker.done])
  await worker.stop()
}

/** The settings as {@link runWorker} takes them; topics and models are chosen by then. */
function optionsOf(config: RunConfig): RunWorkerOptions {
  const { httpPort, httpHost, statusInterval } = config
  return {
    ...kafkaOptions(config),
    ...given({
      group: config.group,
      workerName: config.workerName,
      commitIntervalMs: config.commitInterval,
      deadLetterBreakerPercent: config.deadLetterBreaker,
      maxKeys: config.maxKeys,
      maxStateBytes: config.maxStateMb === null ? null : config.maxStateMb * MEGABYTE,
      http: httpPort === 'off' ? null : { port: httpPort, host: httpHost },
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

type Given<T> = { [K in keyof T]?: NonNullable<T[K]> }

/** Without what is `null`: what a setting does not say is left to the worker. */
function given<T extends object>(settings: T): Given<T> {
  return Object.fromEntries(
    Object.entries(settings).filter(([, value]) => value !== null),
  ) as Given<T>
}

function banner(
  { topologies, notes }: Prepared,
  config: RunConfig,
  { group, workerName, http }: Parameters<NonNullable<Hosted['announce']>>[0],
): void {
  const { dim, bold } = colors
  const line = (name: string, value: string) => say(`  ${dim(name.padEnd(9))}  ${value}`)
  say(`${bold('tidemark')} ${packageVersion()}`)
  for (const topology of topologies) {
    line('topology', summaryOf(topology))
    for (const { label, sha256, evaluator } of topology.scorers.values()) {
      line('model', `${label}  sha256 ${sha256.slice(0, 12)}…  by ${shownEvaluator(evaluator)}`)
    }
    line('by', topology.by)
  }
  line('brokers', config.brokers.join(', '))
  line('group', group)
  line('worker', workerName ?? 'none')
  const { guarantee, commitInterval } = config
  line(
    'guarantee',
    commitInterval === null ? guarantee : `${guarantee}, a commit each ${commitInterval} ms`,
  )
  line('http', http === null ? 'off' : `http://${http.host}:${http.port}/metrics /livez /readyz`)
  sayNotes(notes)
}
