import { Command } from 'commander'
import { toStderr } from '../observe/log-stream.ts'
import { addSettings, readConfig } from './config.ts'
import { sayTo } from './print.ts'
import { RUN_SETTINGS, type RunConfig } from './run-config.ts'
import { untilSignal } from './signals.ts'

/** `tidemark run FILE…` */
export function run(): Command {
  const command = new Command('run')
    .description('join a consumer group on Kafka and score until told to stop')
    .argument('<files...>', 'topologies')
    .action(async (files: string[], flags: Record<string, unknown>) => {
      const stderr = toStderr()
      sayTo(stderr)
      const config = readConfig(RUN_SETTINGS, flags)
      // Before the models are loaded: a container's first process drops a signal that nobody
      // listens to.
      const ended = untilSignal()
      try {
        const start = await wayToRun(config)
        await start(files, config, { ended, stderr })
      } finally {
        ended.dispose()
      }
    })
  return addSettings(command, RUN_SETTINGS)
}

/** A parent of several workers needs neither models nor a client for Kafka, and loads none. */
async function wayToRun({ workers }: RunConfig) {
  return workers === 1
    ? (await import('./run-worker.ts')).runWorkerHere
    : (await import('./workers/run-workers.ts')).runWorkers
}
