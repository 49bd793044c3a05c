import { Command, InvalidArgumentError } from 'commander'
import { withKafka } from '../host/services.ts'
import { CLUSTER_SETTINGS } from '../host/settings.ts'
import { loadNamed } from '../host/topology-files.ts'
import { type GroupStatus, type GroupStatusJob, readGroupStatus } from '../jobs/group-status.ts'
import { wallClock } from '../kernel/clock.ts'
import { groupedBy } from '../kernel/grouped.ts'
import { formatDuration } from '../kernel/time.ts'
import { escapeControls, grouped, plural, someOf, table } from '../kernel/wording.ts'
import type { TroubleStatus } from '../observe/status.ts'
import { groupOf } from '../runtime/prepared.ts'
import { WORST_FIRST } from '../runtime/troubles.ts'
import { addSettings, readConfig } from './config.ts'
import { EXIT, withSignal } from './exit.ts'
import { colorsFor, readerGone, writeResult } from './print.ts'

const SETTINGS = ['group', 'topic', 'httpTokenFile', ...CLUSTER_SETTINGS] as const
const WATCH_EVERY_MS = 2_000
/** Partitions and workers that are shown; JSON has more. */
const MOST_ROWS = 12
const CLEAR = '\x1b[2J\x1b[H'

interface Flags extends Record<string, unknown> {
  readonly url: readonly URL[]
  readonly watch?: true
  readonly json?: true
}

/** `tidemark status FILE…` */
export function status(): Command {
  const command = new Command('status')
    .description(
      'show what is wrong, the worst first: of the group as Kafka has it, and of workers as they say it; exit 0: nothing, 1: something, 4: Kafka or a worker does not answer',
    )
    .argument('<files...>', 'topologies of the group')
    .option('--url <url>', 'where a worker serves HTTP; may be repeated', parseUrls, [])
    .option('--watch', 'show it again every 2 s, until interrupted')
    .option('--json', 'write JSON')
    .action(start)
  return addSettings(command, SETTINGS)
}

function parseUrls(text: string, before: readonly URL[]): readonly URL[] {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new InvalidArgumentError('must be an address such as http://127.0.0.1:9464')
  }
  if (url.username !== '' || url.password !== '') {
    throw new InvalidArgumentError('must have no user: give the token with --http-token-file')
  }
  return [...before, url]
}

async function start(files: readonly string[], flags: Flags): Promise<void> {
  const config = readConfig(SETTINGS, flags)
  const definitions = await loadNamed(files, config.topic)
  const job = {
    group: groupOf(config.group, { topologies: definitions.map((definition) => ({ definition })) }),
    ...{ definitions, urls: flags.url, token: config.httpTokenFile },
  }
  const show = async (records: GroupStatusJob['records']) => {
    const current = await readGroupStatus({ ...job, records })
    process.exitCode = exitCodeOf(current)
    const clears = flags.watch === true && process.stdout.isTTY ? CLEAR : ''
    await writeResult(flags.json, current, `${clears}${describeStatus(current, Date.now())}`)
  }
  if (flags.watch !== true) return withKafka(config, show)
  await withSignal(async (stop) => {
    await withKafka(config, async (records) => {
      for (; !stop.aborted; await wallClock.sleep(WATCH_EVERY_MS, stop)) await show(records)
    })
  }, readerGone)
}

function exitCodeOf({ problems, workers, unanswered }: GroupStatus): number {
  if (unanswered.length > 0) return EXIT.unreachable
  const isWell = problems.length === 0 && workers.every(({ troubles }) => troubles.count === 0)
  return isWell ? EXIT.done : EXIT.failed
}

export function describeStatus(current: GroupStatus, nowMs: number): string {
  const { group, members, problems, partitions, workers, unanswered } = current
  const { red, yellow, green, bold, dim } = colorsFor(process.stdout)
  const line = (sign: string, text: string, section?: string) => {
    const cure = section === undefined ? '' : dim(`  →  ${escapeControls(section)}`)
    return `${sign} ${escapeControls(text)}${cure}`
  }
  const more = workers.reduce((sum, { troubles: t }) => sum + t.count - t.worst.length, 0)
  const wrong = [
    ...unanswered.map(({ url, fault }) => line(red('✗'), `${url}: ${fault}`)),
    ...problems.map(({ reason, section }) => line(red('✗'), reason, section)),
    ...troublesOf(workers).map((alike) => {
      const { effect, section } = (alike[0] as WorkerTrouble).trouble
      const sign = effect === 'waits' ? red('✗') : yellow('!')
      return line(sign, describeTroubles(alike, nowMs), `docs/${section}`)
    }),
    ...(more > 0 ? [`${plural(more, 'more trouble')}: --json`] : []),
  ]
  const size =
    partitions === null
      ? 'Kafka does not answer'
      : `${plural(members?.length ?? 0, 'member')}, ${plural(partitions.count, 'partition')}, lag ${grouped(partitions.lag)}`
  const verdict =
    wrong.length > 0 ? wrong : [`${green('✓')} nothing is wrong that can be seen here`]
  const tables = [...partitionTable(current), ...workerTable(current, nowMs)]
  return [`${bold(escapeControls(group))}  ${size}`, ...verdict, ...tables, ''].join('\n')
}

interface WorkerTrouble {
  readonly worker: string
  readonly trouble: TroubleStatus
}

/** The worst first; those of one kind and one worker together, the oldest first. */
function troublesOf(workers: GroupStatus['workers']): WorkerTrouble[][] {
  const all = workers
    .flatMap((worker) =>
      worker.troubles.worst.map((trouble) => ({ worker: nameOf(worker), trouble })),
    )
    .toSorted((a, b) => WORST_FIRST.indexOf(a.trouble.kind) - WORST_FIRST.indexOf(b.trouble.kind))
  return [...groupedBy(all, ({ worker, trouble }) => `${trouble.kind} ${worker}`).values()]
}

function nameOf({ url, worker }: GroupStatus['workers'][number]): string {
  return worker === null ? url : `${url} worker ${worker}`
}

/** `payments-3 for 4 min: MODEL_FAILING the model can score no event: they wait (127.0.0.1:9464)` */
function describeTroubles(alike: readonly WorkerTrouble[], nowMs: number): string {
  const [{ worker, trouble }] = alike as [WorkerTrouble]
  const names = alike.map(({ trouble: t }) => {
    return t.partition ?? t.system ?? t.store ?? t.table ?? t.model ?? t.step ?? worker
  })
  const about = someOf([...new Set(names)])
  const code = trouble.code === null ? '' : `${trouble.code} `
  const duration = formatDuration(nowMs - Date.parse(trouble.since))
  return `${about} for ${duration}: ${code}${trouble.reason}${about === worker ? '' : ` (${worker})`}`
}

/** Offsets are those of Kafka, or while it is away those that workers know. */
function partitionTable({ partitions, workers }: GroupStatus): string[] {
  const all = workers.flatMap((worker) =>
    worker.partitions.worst.map((known) => ({
      ...known,
      name: known.partition,
      owner: nameOf(worker),
    })),
  )
  const byName = new Map(all.map((known) => [known.name, known]))
  const shown = partitions?.worst ?? all
  const rows = shown.slice(0, MOST_ROWS).map(({ name, owner, committed, end, lag }) => {
    const { watermark = null, eventTimeLagS = null, isIdle = false } = byName.get(name) ?? {}
    const behind = eventTimeLagS === null ? '' : formatDuration(eventTimeLagS * 1_000)
    const cells = [name, owner ?? 'nobody', committed ?? 'nothing', end ?? '', lag]
    return [...cells, watermark ?? '', isIdle ? 'idle' : behind].map((cell) =>
      escapeControls(typeof cell === 'number' ? grouped(cell) : cell),
    )
  })
  const more = (partitions?.count ?? all.length) - rows.length
  const head = ['partition', 'owner', 'committed', 'end', 'lag', 'watermark', 'behind']
  const rest = more > 0 ? [`and ${grouped(more)} more`] : []
  return rows.length === 0 ? [] : ['', ...table([head, ...rows]), ...rest]
}

function workerTable({ workers }: GroupStatus, nowMs: number): string[] {
  const rows = workers.slice(0, MOST_ROWS).map((worker) => {
    const { state, since, topologies, outPerSecond, lastCommit } = worker
    const ago = (time: string | null) =>
      time === null ? '' : formatDuration(nowMs - Date.parse(time))
    const inPerSecond = topologies.reduce((sum, each) => sum + each.inPerSecond, 0)
    const rates = [inPerSecond, outPerSecond].map((rate) => String(rate))
    return [nameOf(worker), state, ago(since), ...rates, ago(lastCommit)].map(escapeControls)
  })
  const head = ['worker', 'state', 'for', 'in/s', 'out/s', 'committed ago']
  return rows.length === 0 ? [] : ['', ...table([head, ...rows])]
}
