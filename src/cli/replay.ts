import { Command } from 'commander'
import { chosenServices, withKafka } from '../host/services.ts'
import { CLUSTER_SETTINGS, configOf, PREPARE_SETTINGS } from '../host/settings.ts'
import { prepareFiles } from '../host/topology-files.ts'
import { type ReplayJob, replayLog } from '../jobs/replay/replay.ts'
import { configFault, TidemarkError } from '../kernel/errors.ts'
import { addSettings, readConfig } from './config.ts'
import { FROM, parsePoint } from './consume.ts'
import { write } from './print.ts'
import { TERMINAL } from './progress.ts'

const MEMORY = ['maxInFlightMb', 'maxKeys', 'maxStateMb'] as const
const SETTINGS = ['group', 'topic', ...PREPARE_SETTINGS, ...MEMORY, ...CLUSTER_SETTINGS] as const

type Flags = Pick<ReplayJob, 'from' | 'to' | 'verify'> & Record<string, unknown>

export function replayCommand(): Command {
  const command = new Command('replay')
    .description(
      'work the log again, and compare the outputs with those in the topics: with --verify whether they are equal, otherwise what another --model would change; writes nothing',
    )
    .argument('<file>', 'topology')
    .option('--from <place>', FROM, parsePoint, 'earliest')
    .option(
      '--to <place>',
      "where to end, as in --from; at the latest at the group's committed offset",
      parsePoint,
      'latest',
    )
    .option(
      '--verify [sink]',
      'compare every output of a sink, and every dead letter, to the bit; may be repeated (default: all sinks)',
      (sink: string, before: readonly string[] | true | undefined) =>
        before === undefined || before === true ? [sink] : [...before, sink],
    )
    .action(start)
  return addSettings(command, SETTINGS)
}

async function start(file: string, flags: Flags): Promise<void> {
  const config = readConfig(SETTINGS, flags)
  if (flags.verify === undefined && Object.keys(config.model).length === 0) {
    const hint = '--verify compares the outputs; --model name=new.onnx shows what would change'
    throw configFault('there is nothing to compare', undefined, hint)
  }
  const services = { ...chosenServices(config), latencyBudget: 'none' } as const
  const settings = configOf(config)
  const prepared = await prepareFiles([file], settings, services)
  try {
    const shared = { prepared, config: settings, report: TERMINAL }
    const { text, isEqual } = await withKafka(config, (records) =>
      replayLog({ ...flags, ...shared, records }),
    )
    await write(text)
    if (isEqual !== false) return
    throw new TidemarkError('REPLAY_DIFFERS', 'a replay makes other outputs than were written')
  } finally {
    await prepared.close()
  }
}
