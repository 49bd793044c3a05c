import { Command } from 'commander'
import { RUN_SETTINGS } from '../host/settings.ts'
import { toStderr } from '../observe/log.ts'
import { addSettings, readConfig } from './config.ts'
import { withSignal } from './exit.ts'
import { sayTo } from './print.ts'
import { processOutput } from './run-output.ts'

export function run(): Command {
  const command = new Command('run')
    .description('join a consumer group on Kafka and score until stopped')
    .argument('<files...>', 'topologies')
    .action(async (files: string[], flags: Record<string, unknown>) => {
      const stderr = toStderr()
      sayTo(stderr)
      const config = readConfig(RUN_SETTINGS, flags)
      // Before the models are loaded: a container's first process (PID 1) ignores signals that have
      // no handler.
      await withSignal(async (stop) => {
        // The parent of several workers needs no models and no Kafka client, so it does not load them.
        const start =
          config.workers === 1
            ? (await import('../host/process-worker.ts')).runWorkerHere
            : (await import('../host/workers/supervisor.ts')).runWorkers
        await start(files, config, processOutput(config, stop, stderr))
      })
    })
  return addSettings(command, RUN_SETTINGS)
}
