import { rmSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { EXIT, untilSignal } from '../../src/cli/exit.ts'
import { say } from '../../src/cli/print.ts'
import { build } from '../bench/build.ts'
import { machine } from '../bench/figures.ts'
import { runCourse } from '../soak/course.ts'
import { faultsOf, linesOf } from '../soak/judgement.ts'
import { onOwnKafka, WORKERS } from './place.ts'
import { type Entry, scheduleOf } from './schedule.ts'
import { nameOf, troubleOf } from './trouble.ts'

// Workers on three nodes of which everything goes wrong that a seed chooses; then a verdict on what
// they left. See docs/soak.md. npx tsx test/chaos/chaos.ts [options]

const NODES = 3

interface Flags {
  readonly seed: number
  readonly minutes: number
  readonly rate: number
  readonly workers: number
  readonly partitions: number
  readonly guarantee: string
  /** Tells the schedule, and does nothing. */
  readonly dry: boolean
}

function above0(text: string): number {
  const n = Number(text)
  if (!(Number.isFinite(n) && n > 0)) throw new InvalidArgumentError('a number above 0')
  return n
}

function wholeNumber(text: string): number {
  const n = above0(text)
  if (!Number.isSafeInteger(n)) throw new InvalidArgumentError('a whole number above 0')
  return n
}

async function main(flags: Flags): Promise<void> {
  const { seed, minutes, rate, workers: count, partitions, guarantee } = flags
  const seconds = Math.round(minutes * 60)
  const workers = Array.from({ length: count }, (_, i) => `w${i + 1}`)
  const isRoot = process.getuid?.() === 0
  if (!isRoot) say('NOT DONE: fill disk (a disk of its own needs root)')
  const without = isRoot ? [] : (['fill disk'] as const)
  const schedule = scheduleOf({ seed, seconds, nodes: NODES, workers, without })
  say(`seed ${seed}, ${seconds} s, ${guarantee}:`)
  for (const entry of schedule) say(`  ${textOf(entry)}`)
  if (flags.dry) return
  const ended = untilSignal()
  const aborted = ended.promise.then((): never => {
    throw new Error('interrupted')
  })
  aborted.catch(() => {})
  await build()
  const report = await onOwnKafka({ nodes: NODES, hasDisks: isRoot }, (place) =>
    runCourse(
      {
        ...{ ...place, ...WORKERS, seconds, perSecond: rate, workers: count },
        ...{ partitions, guarantee, trouble: troubleOf(schedule) },
      },
      aborted,
    ),
  )
  ended.dispose()
  const faults = faultsOf(report)
  for (const line of linesOf(report)) say(line)
  const ok = faults.length === 0
  say(ok ? 'the chaos is passed' : `the chaos is FAILED: ${faults.join('; ')}`)
  const told = { seed, guarantee, rate, workers: count, partitions, verbs: schedule.length }
  const { folder, ...figures } = report
  console.log(JSON.stringify({ mode: 'chaos', ok, ...told, ...figures, machine: machine() }))
  if (ok) rmSync(folder, { recursive: true })
  else process.exitCode = EXIT.failed
}

/** `  12.5 s  kill node (node 2)  for 3.1 s` */
function textOf(entry: Entry): string {
  const lasts = entry.lastsS === 0 ? '' : `  for ${entry.lastsS.toFixed(1)} s`
  return `${entry.atS.toFixed(1).padStart(6)} s  ${nameOf(entry)}${lasts}`
}

try {
  await new Command('chaos.ts')
    .option('--seed <n>', 'what goes wrong, when and with whom', wholeNumber, 1)
    .option('--minutes <n>', 'how long payments are fed', above0, 10)
    .option('--rate <n>', 'payments a second', wholeNumber, 1_000)
    .option('--workers <n>', 'processes', wholeNumber, 3)
    .option('--partitions <n>', 'of each topic', wholeNumber, 6)
    .addOption(
      new Option('--guarantee <which>', 'at least once: repeated outcomes are no fault')
        .choices(['exactly-once', 'at-least-once'])
        .default('exactly-once'),
    )
    .option('--dry', 'tell what would go wrong, and do nothing', false)
    .action(main)
    .parseAsync()
} catch (error) {
  console.error(error)
  process.exit(EXIT.failed)
}
