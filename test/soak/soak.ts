import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { EXIT, untilSignal } from '../../src/cli/exit.ts'
import { say } from '../../src/cli/print.ts'
import { build } from '../bench/build.ts'
import { machine } from '../bench/figures.ts'
import { onOwnKafka } from '../chaos/place.ts'
import { steadySchedule } from '../chaos/steady.ts'
import { troubleOf } from '../chaos/trouble.ts'
import { type Place, runCourse } from './course.ts'
import { faultsOf, linesOf } from './judgement.ts'

// Runs workers under a steady load and kills one after the other; then checks what they have
// written. See docs/soak.md. npx tsx test/soak/soak.ts [options]

interface Flags {
  readonly minutes: number
  readonly rate: number
  readonly workers: number
  readonly killEvery: number
  readonly nodeEvery: number
  readonly quotaEvery: number
  readonly partitions: number
  readonly guarantee: string
  readonly model: string
  readonly workerFlags: string
  readonly brokers?: string
}

/** Never killed: its heap is measured from the first to the last minute. */
const SPARED = 'w1'
const NODES = 3

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
  const seconds = Math.round(flags.minutes * 60)
  const schedule = steadySchedule({
    ...{ seconds, nodes: flags.brokers === undefined ? NODES : 0 },
    workers: Array.from({ length: flags.workers }, (_, i) => `w${i + 1}`).filter(
      (w) => w !== SPARED,
    ),
    ...{ killEveryS: flags.killEvery, nodeEveryS: flags.nodeEvery },
    quotaEveryS: flags.quotaEvery,
  })
  const work = (place: Place) =>
    runCourse(
      {
        ...place,
        ...{ model: resolve(flags.model), seconds, perSecond: flags.rate, spared: SPARED },
        ...{ workers: flags.workers, partitions: flags.partitions, guarantee: flags.guarantee },
        workerFlags: flags.workerFlags.split(' ').filter((flag) => flag !== ''),
        trouble: troubleOf(schedule),
      },
      aborted,
    )
  const given = flags.brokers?.split(',')
  const report = await (given === undefined
    ? onOwnKafka({ nodes: NODES, hasDisks: false }, work)
    : work({ brokers: given, kafka: null, links: [] }))
  ended.dispose()
  const faults = faultsOf(report)
  for (const line of linesOf(report)) say(line)
  const ok = faults.length === 0
  say(ok ? 'the soak passed' : `the soak FAILED: ${faults.join('; ')}`)
  const { guarantee, rate, workers, killEvery, nodeEvery, quotaEvery, partitions } = flags
  const told = { guarantee, rate, workers, killEvery, nodeEvery, quotaEvery, partitions }
  const { folder, ...figures } = report
  console.log(JSON.stringify({ mode: 'soak', ok, ...told, ...figures, machine: machine() }))
  if (ok) rmSync(folder, { recursive: true })
  else process.exitCode = EXIT.failed
}

try {
  await new Command('soak.ts')
    .option('--minutes <n>', 'how long payments are fed', above0, 20)
    .option('--rate <n>', 'payments a second', wholeNumber, 5_000)
    .option('--workers <n>', 'processes', wholeNumber, 3)
    .option('--kill-every <seconds>', 'kill -9 of one of them, but never the first', above0, 20)
    .option('--node-every <seconds>', 'kill -9 of one of three nodes', above0, 120)
    .option(
      '--quota-every <seconds>',
      'a quota for one worker, for a third of the time',
      above0,
      60,
    )
    .option('--partitions <n>', 'of each topic', wholeNumber, 6)
    .addOption(
      new Option('--guarantee <which>', 'under at-least-once, repeated outcomes are no fault')
        .choices(['exactly-once', 'at-least-once'])
        .default('exactly-once'),
    )
    .option('--model <file>', 'ONNX file to score with', 'topologies/models/card-gbdt.onnx')
    .option(
      '--worker-flags <flags>',
      'additional flags for each worker; {name} is replaced by its name',
      '--worker-name {name} --session-timeout 6',
    )
    .option(
      '--brokers <list>',
      'host:port,… of a cluster whose nodes are not killed (default: three nodes of its own)',
    )
    .action(main)
    .parseAsync()
} catch (error) {
  console.error(error)
  process.exit(EXIT.failed)
}
