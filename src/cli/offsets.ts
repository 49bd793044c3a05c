import { Command, InvalidArgumentError } from 'commander'
import { withKafka } from '../host/services.ts'
import { CLUSTER_SETTINGS } from '../host/settings.ts'
import { loadNamed } from '../host/topology-files.ts'
import * as job from '../jobs/offsets.ts'
import { formatDuration } from '../kernel/time.ts'
import { grouped, table } from '../kernel/wording.ts'
import type { Definition } from '../topology/definition.ts'
import { numberParser } from './arguments.ts'
import { addSettings, readConfig } from './config.ts'
import { POINTS, parsePoint } from './consume.ts'
import { parsePosition } from './dlq.ts'
import { printable, say, sayNotes, writeResult } from './print.ts'

const SETTINGS = ['group', 'topic', ...CLUSTER_SETTINGS] as const
/** Offsets that a restart reads in a second, as measured with card-fraud on one core. */
const READ_PER_SECOND = 250_000

interface Flags extends Record<string, unknown> {
  readonly json?: true
  readonly execute?: true
}

/** `tidemark offsets show`, `reset`, `skip` and `copy` */
export function offsetsCommand(): Command {
  const command = (name: string, about: string) =>
    new Command(name).description(about).argument('<file>', 'topology')
  const change = (made: Command) =>
    made.option('--execute', 'do it, and not only say what would be done')
  const show = command('show', 'what the group has committed, by partition').action(
    (file: string, flags: Flags) => start(file, flags),
  )
  const reset = change(command('reset', 'set what the group has committed'))
    .requiredOption('--to <place>', POINTS, parsePoint)
    .option('--partition <n>', 'only this partition; may be repeated (default: all)', addPartition)
    .action(
      (file: string, flags: Flags & { to: ReturnType<typeof parsePoint>; partition?: number[] }) =>
        start(file, flags, { reset: flags.to, partitions: flags.partition ?? null }),
    )
  const skip = change(command('skip', 'go on behind an offset that cannot be read'))
    .argument('<position>', 'PARTITION/OFFSET, as in the hint of BATCH_CORRUPT', parsePosition)
    .action((file: string, at: ReturnType<typeof parsePosition>, flags: Flags) =>
      start(file, flags, { skip: at }),
    )
  const copy = change(command('copy', 'give a new group what the group has committed'))
    .requiredOption('--to-group <name>', 'a group that has committed nothing')
    .action((file: string, flags: Flags & { toGroup: string }) =>
      start(file, flags, { copy: flags.toGroup }),
    )
  const all = [show, reset, skip, copy]
  const parent = new Command('offsets').description(
    'show and change what a group has committed; changes need a group without members',
  )
  for (const made of all) {
    parent.addCommand(addSettings(made.option('--json', 'write JSON'), SETTINGS))
  }
  return parent
}

const parsePartition = numberParser(
  'a whole number from 0 on',
  (n) => Number.isSafeInteger(n) && n >= 0,
)

function addPartition(text: string, before: readonly number[] = []): readonly number[] {
  const partition = parsePartition(text)
  if (before.includes(partition)) throw new InvalidArgumentError('is given twice')
  return [...before, partition]
}

async function start(file: string, flags: Flags, change?: job.OffsetChange): Promise<void> {
  const config = readConfig(SETTINGS, flags)
  const [definition] = (await loadNamed([file], config.topic)) as [Definition]
  const group = config.group ?? definition.name
  await withKafka(config, async (records) => {
    const asked = { definition, group, records }
    if (change === undefined) {
      const committed = await job.readOffsets(asked)
      return writeResult(flags.json, committed, describeOffsets(group, committed))
    }
    const plan = await job.planOffsets(asked, change)
    await writeResult(flags.json, plan, describePlan(plan))
    sayNotes(plan.notes)
    if (flags.execute === true) await job.applyPlan(asked, plan)
    say(flags.execute === true ? 'done' : 'nothing is changed: add --execute')
  })
}

function describeOffsets(group: string, offsets: readonly job.GroupOffset[]): string {
  const rows = offsets.map(({ partition, committed, lowOffset, endOffset, lag, windowsFrom }) =>
    [
      partition,
      committed?.nextOffset ?? 'nothing',
      lowOffset,
      endOffset,
      lag,
      windowsFrom ?? 'log',
    ].map(shown),
  )
  const head = ['partition', 'committed', 'low', 'end', 'lag', 'windows from']
  return printable([group, ...table([head, ...rows])])
}

function describePlan({ group, topic, moves }: job.OffsetPlan): string {
  const rows = moves.map((move) => {
    const { partition, from, to, scoredAgain, neverScored, readForWindows } = move
    return [partition, from ?? 'nothing', to, scoredAgain, neverScored, readForWindows].map(shown)
  })
  const head = ['partition', 'from', 'to', 'scored again', 'never scored', 'read for windows']
  const read = moves.reduce((sum, { readForWindows }) => sum + readForWindows, 0)
  const about = formatDuration((1_000 * read) / READ_PER_SECOND)
  const again = moves.reduce((sum, { scoredAgain }) => sum + scoredAgain, 0)
  return printable([
    `${group} on ${topic}`,
    ...table([head, ...rows]),
    `${grouped(again)} scored again; at most ${grouped(read)} read for windows first, about ${about} on one core`,
  ])
}

function shown(cell: string | number): string {
  return typeof cell === 'number' ? grouped(cell) : cell
}
