import { execFileSync } from 'node:child_process'
import { loadavg } from 'node:os'
import { join, relative } from 'node:path'
import { Argument, Command, Option } from 'commander'
import { EXIT, untilSignal } from '../../src/cli/exit.ts'
import { say } from '../../src/cli/print.ts'
import { grouped } from '../../src/kernel/wording.ts'
import { ROOT } from '../support/paths.ts'
import { type AllOutagesOptions, allOutages } from './all-outages.ts'
import { figure, machine } from './figures.ts'
import { brokerList, wholeNumber } from './flags.ts'
import { type ComparedRow, compare, keepRun, keptRuns, type Run } from './kept-runs.ts'
import { measurements, STAGES, type StageName } from './measurements.ts'
import { profile } from './profile.ts'
import { tell } from './program.ts'
import { Suite } from './suite.ts'
import { table } from './table.ts'

// Measures this version on this machine and compares it with the last run: one table on stdout,
// progress on stderr.
//   npm run bench [-- STAGE... --events 300000 --brokers host:port]
//   npm run bench -- profile [--events 300000 --brokers host:port]
//   npm run bench -- outages [--rate 2000 --seconds 60 --brokers host:port]
//   npm run bench container [-- --rate 20000 --seconds 600]

const LEGEND = 'ratio: figure / last. More is better for events/s, less for all else.'

const FOLDER = join(ROOT, '.bench')

const ending = untilSignal()

interface Flags {
  readonly events: number
  readonly brokers?: readonly string[]
}

async function measureAll(stages: readonly StageName[], { events, brokers }: Flags): Promise<void> {
  const isWanted = (stage: StageName) => stages.length === 0 || stages.includes(stage)
  const chosen = measurements(events).filter((one) => one.stages.some(isWanted))
  const place = {
    ...{ at: new Date().toISOString(), commit: commit(), machine: machine(), events },
    load: figure(loadavg()[0] ?? null, 1),
  }
  const where = `${place.machine}; commit ${place.commit}; ${grouped(events)} payments; load ${place.load} before`
  say(where)
  const suite = new Suite(chosen, events, ending)
  const startMs = performance.now()
  await suite.measure(brokers ?? null)
  if (ending.signal.aborted) process.exit(EXIT.interrupted)
  say(`in all ${((performance.now() - startMs) / 60_000).toFixed(1)} min`)
  const rows = suite.rows.filter(({ stage }) => isWanted(stage))
  if (rows.length > 0) conclude({ ...place, rows }, where)
  if (suite.failures === 0) return
  console.log(`FAILED: ${suite.failures} of ${chosen.length}, see above`)
  process.exitCode = EXIT.failed
}

/** Compares a run with the earlier ones, prints it and keeps it. */
function conclude(run: Run, where: string): void {
  const { rows, note } = compare(run, keptRuns(FOLDER))
  const file = keepRun(FOLDER, run)
  const lines = [...tableOf(rows), '', where, note, LEGEND, `kept as ${relative(ROOT, file)}`]
  console.log(`\n${lines.join('\n')}`)
}

function tableOf(rows: readonly ComparedRow[]): string[] {
  const inStages = STAGES.flatMap((stage) => rows.filter(({ row }) => row.stage === stage))
  const lines = inStages.map(({ row, last, ratio }) => [
    row.stage,
    row.what,
    typeof row.figure === 'number' ? grouped(row.figure) : row.figure,
    row.unit,
    last === null ? '–' : grouped(last),
    ratio === null ? '–' : ratio.toFixed(2),
  ])
  const heading = ['stage', 'what', 'figure', 'unit', 'last', 'ratio']
  return table([heading, ...lines], { right: [2, 4, 5] })
}

/** The checked-out commit, with `+` if files differ from it. */
function commit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' })
  try {
    const isClean = git('status', '--porcelain', '--untracked-files=no') === ''
    return `${git('rev-parse', '--short', 'HEAD').trim()}${isClean ? '' : '+'}`
  } catch {
    return 'unknown'
  }
}

function command(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option(
      '--events <n>',
      'payments of measurements that read a filled topic',
      wholeNumber,
      300_000,
    )
    .addOption(brokersOption())
}

function brokersOption(): Option {
  return new Option('--brokers <list>', 'host:port,… (default: a broker of its own)').argParser(
    brokerList,
  )
}

try {
  await command(
    'bench',
    'Measures this version on this machine and compares it with the last run; 5 to 7 minutes.',
  )
    .addArgument(new Argument('[stages...]', 'some of them').choices(STAGES))
    .action(measureAll)
    // Options after the name of a command belong to it.
    .enablePositionalOptions()
    .addCommand(
      command(
        'profile',
        'Profiles a worker on W1 and prints what its main thread spends time on.',
      ).action((flags: Flags) => profile(FOLDER, flags, ending)),
    )
    .addCommand(
      new Command('outages')
        .description('Kills, stops and fills Redis under a worker, under both guarantees.')
        .option('--rate <n>', 'payments a second', wholeNumber, 2_000)
        .option('--seconds <n>', 'how long each outage is', wholeNumber, 60)
        .addOption(brokersOption())
        .action((flags: AllOutagesOptions) => allOutages(flags, ending)),
    )
    .addCommand(
      new Command('container')
        .description('Measures a worker on W1 in a container of 512 MB, at an even pace.')
        .option('--rate <n>', 'payments a second', '20000')
        .option('--seconds <n>', 'how long', '600')
        .action(async ({ rate, seconds }: { rate: string; seconds: string }) => {
          say(`W1 on Kafka, exactly once, ${rate} payments a second, in a container of 512 MB …`)
          const args = ['container', '--rate', rate, '--seconds', seconds]
          console.log(JSON.stringify(await tell(['bench.ts', ...args], ending), null, 2))
        }),
    )
    .parseAsync()
} catch (error) {
  if (ending.signal.aborted) process.exit(EXIT.interrupted)
  console.error(error)
  process.exit(EXIT.failed)
}
ending.dispose()
