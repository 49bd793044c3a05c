import { execFileSync } from 'node:child_process'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { Argument, Command } from 'commander'
import { count, EXIT, say } from '../../src/cli/print.ts'
import { untilSignal } from '../../src/cli/signals.ts'
import { ROOT } from '../support/paths.ts'
import { figure, machine } from './figures.ts'
import { brokerList, wholeNumber } from './flags.ts'
import { type ComparedRow, compare, keepRun, keptRuns, type Run } from './kept-runs.ts'
import { measurements, STAGES, type StageName } from './measurements.ts'
import { profile } from './profile.ts'
import { Suite } from './suite.ts'
import { table } from './table.ts'

// All that is measured of one version, on this machine, beside the last run: one table on stdout, progress on stderr.
//   npm run bench [-- STAGE... --events 300000 --brokers host:port]
//   npm run bench -- profile [--events 300000 --brokers host:port]

const LEGEND = 'ratio: figure / last. More is better for events/s, less for all else.'

const FOLDER = join(ROOT, '.bench')

interface Flags {
  readonly events: number
  readonly brokers?: readonly string[]
}

async function measureAll(stages: readonly StageName[], { events, brokers }: Flags): Promise<void> {
  const wanted = (stage: StageName) => stages.length === 0 || stages.includes(stage)
  const chosen = measurements(events).filter((one) => one.stages.some(wanted))
  const place = {
    ...{ at: new Date().toISOString(), commit: commit(), machine: machine(), events },
    load: figure(loadavg()[0] ?? null, 1),
  }
  const where = `${place.machine}; commit ${place.commit}; ${count(events)} payments; load ${place.load} before`
  say(where)
  const ending = untilSignal()
  const suite = new Suite(chosen, events, ending)
  const startMs = performance.now()
  await suite.measure(brokers ?? null)
  ending.dispose()
  if (ending.hasCome) process.exit(EXIT.interrupted)
  const run: Run = { ...place, rows: suite.rows.filter(({ stage }) => wanted(stage)) }
  const { rows, note } = compare(run, keptRuns(FOLDER))
  say(
    `measured in ${((performance.now() - startMs) / 60_000).toFixed(1)} min; kept as ${keepRun(FOLDER, run)}\n`,
  )
  for (const line of tableOf(rows)) console.log(line)
  console.log(`\n${where}\n${note}\n${LEGEND}`)
  if (suite.failures === 0) return
  console.log(`FAILED: ${suite.failures} of ${chosen.length}; see above`)
  process.exitCode = EXIT.failed
}

function tableOf(rows: readonly ComparedRow[]): string[] {
  const inStages = STAGES.flatMap((stage) => rows.filter(({ row }) => row.stage === stage))
  const lines = inStages.map(({ row, last, ratio }) => [
    row.stage,
    row.what,
    typeof row.figure === 'number' ? count(row.figure) : row.figure,
    row.unit,
    last === null ? '–' : count(last),
    ratio === null ? '–' : ratio.toFixed(2),
  ])
  const heading = ['stage', 'what', 'figure', 'unit', 'last', 'ratio']
  return table([heading, ...lines], { right: [2, 4, 5] })
}

/** The commit that lies here, with `+` where files differ from it. */
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
    .option('--events <n>', 'payments, where they lie ready', wholeNumber, 300_000)
    .option('--brokers <list>', 'host:port,… (default: a broker of its own)', brokerList)
}

try {
  await command(
    'bench',
    'Measures this version on this machine, beside the last run; 4 to 6 minutes.',
  )
    .addArgument(new Argument('[stages...]', 'some of them').choices(STAGES))
    .action(measureAll)
    // Options behind the word `profile` are its own.
    .enablePositionalOptions()
    .addCommand(
      command('profile', 'Profiles a worker on W1, and tells what takes its main thread.').action(
        (flags: Flags) => profile(FOLDER, flags),
      ),
    )
    .parseAsync()
} catch (error) {
  console.error(error)
  process.exit(EXIT.failed)
}
