import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { EXIT, say } from '../../src/cli/print.ts'
import { untilSignal } from '../../src/cli/signals.ts'
import { build } from '../bench/build.ts'
import { machine } from '../bench/figures.ts'
import { withBrokers } from '../bench/stage.ts'
import { type Report, soak } from './course.ts'

// Workers under a steady load, of which one after the other is killed; then a verdict on what they left. See docs/soak.md.
//   npx tsx test/soak/soak.ts [options]

interface Flags {
  readonly minutes: number
  readonly rate: number
  readonly workers: number
  readonly killEvery: number
  readonly partitions: number
  readonly guarantee: string
  readonly model: string
  readonly workerFlags: string
  readonly brokers?: string
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
  const ended = untilSignal()
  const aborted = ended.promise.then((): never => {
    throw new Error('interrupted')
  })
  aborted.catch(() => {})
  await build()
  const report = await withBrokers(flags.brokers?.split(',') ?? null, (brokers) =>
    soak(
      {
        brokers,
        model: resolve(flags.model),
        seconds: Math.round(flags.minutes * 60),
        perSecond: flags.rate,
        workers: flags.workers,
        killEverySeconds: flags.killEvery,
        partitions: flags.partitions,
        guarantee: flags.guarantee,
        workerFlags: flags.workerFlags.split(' ').filter((flag) => flag !== ''),
      },
      aborted,
    ),
  )
  ended.dispose()
  const faults = faultsOf(report)
  for (const line of linesOf(report, flags)) say(line)
  say(faults.length === 0 ? 'the soak is passed' : `the soak is FAILED: ${faults.join('; ')}`)
  const { guarantee, rate, workers, killEvery, partitions } = flags
  const told = { guarantee, rate, workers, killEvery, partitions }
  const ok = faults.length === 0
  const { folder, ...figures } = report
  console.log(JSON.stringify({ mode: 'soak', ok, ...told, ...figures, machine: machine() }))
  if (ok) rmSync(folder, { recursive: true })
  else process.exitCode = EXIT.failed
}

/** What the soak must not show. */
function faultsOf({ verdict, surprises, memory, finishSeconds }: Report): string[] {
  return [
    ...Object.entries(verdict.faults).map(([what, { count }]) => `${what} ${count}`),
    ...surprises,
    ...(finishSeconds === null ? ['the workers did not come through'] : []),
    ...(memory.isFlat === false ? ['memory grows'] : []),
  ]
}

function linesOf({ fed, seconds, kills, memory, verdict }: Report, flags: Flags): string[] {
  const { bySoak, byUptime, isFlat } = memory
  const rate = Math.round(fed / seconds)
  const flat = isFlat === null ? 'too short to tell' : isFlat ? 'flat' : 'GROWS'
  const lines = [
    `${fed} payments at ${rate}/s on ${flags.workers} workers, ${kills} times kill -9, ${flags.guarantee}`,
    `memory of a worker, first and last third: ${bySoak.firstMb} and ${bySoak.lastMb} MB of the soak, ` +
      `${byUptime.firstMb} and ${byUptime.lastMb} MB by uptime, ${memory.peakMb} MB at most: ${flat}`,
  ]
  if (flags.guarantee !== 'at-least-once') return lines
  const { repeated } = verdict
  const said = repeated === 0 ? 'none: the kills fell between commits' : `${repeated}, as it may be`
  return [...lines, `repeated outcomes: ${said}`]
}

try {
  await new Command('soak.ts')
    .option('--minutes <n>', 'how long payments are fed', above0, 20)
    .option('--rate <n>', 'payments a second', wholeNumber, 5_000)
    .option('--workers <n>', 'processes', wholeNumber, 3)
    .option('--kill-every <seconds>', 'kill -9 of any of them', above0, 20)
    .option('--partitions <n>', 'of each topic', wholeNumber, 6)
    .addOption(
      new Option('--guarantee <which>', 'at least once: repeated outcomes are no fault')
        .choices(['exactly-once', 'at-least-once'])
        .default('exactly-once'),
    )
    .option('--model <file>', 'ONNX file to score with', 'topologies/models/card-gbdt.onnx')
    .option(
      '--worker-flags <flags>',
      'more flags for each worker; {name} stands for its name',
      '--worker-name {name} --session-timeout 6',
    )
    .option('--brokers <list>', 'host:port,… (default: a broker of its own)')
    .action(main)
    .parseAsync()
} catch (error) {
  console.error(error)
  process.exit(EXIT.failed)
}
