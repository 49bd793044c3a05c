import { basename, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, Option } from 'commander'
import { EXIT, untilSignal } from '../../src/cli/exit.ts'
import { say } from '../../src/cli/print.ts'
import { startDocker, tidemarkImage } from '../services/docker.ts'
import type { Outcomes } from './arrivals.ts'
import { container } from './container.ts'
import { machine } from './figures.ts'
import { brokerList, wholeNumber } from './flags.ts'
import { kill } from './kill.ts'
import { type Load, latency } from './latency.ts'
import { measureOutages } from './outages.ts'
import { onStage, type Stage } from './stage.ts'
import { throughput } from './throughput.ts'
import { VALUES, type Values, withSchema } from './values.ts'

// Measures a worker on Kafka; see RESULTS.md. One JSON line on stdout, progress on stderr.
//   npx tsx test/bench/bench.ts throughput|latency|kill|outages|container [options]

const W1_REGISTRY = fileURLToPath(new URL('topologies/w1-registry.ts', import.meta.url))
const W1_OUTAGES = fileURLToPath(new URL('topologies/w1-outages.ts', import.meta.url))

interface Flags {
  readonly brokers?: readonly string[]
  readonly guarantee: string
  readonly model: string
  readonly topology?: string
}

/** The figures that every run returns besides its measurements. */
interface Tally extends Outcomes {
  readonly events: number
  readonly exit: number | string
  /** @default no more is asked of it */
  readonly isRight?: boolean
}

/**
 * Runs a measurement and prints it. Fails when an event has no outcome or, under exactly-once, two,
 * or when the worker's exit code is not 0.
 */
async function measure(
  mode: string,
  { brokers, guarantee, model, topology }: Flags,
  work: (stage: Stage) => Promise<Tally>,
): Promise<void> {
  const ended = untilSignal()
  const interrupted = ended.promise.then(() => null)
  const of = topology === undefined ? {} : { topology }
  const options = { brokers: brokers ?? null, model: resolve(model), guarantee, ...of }
  const figures = await onStage(options, (stage) => Promise.race([work(stage), interrupted]))
  ended.dispose()
  // Work in flight would keep the process alive, here and after a failure.
  if (figures === null) process.exit(EXIT.interrupted)
  const report = { mode, model: basename(model), ...of, guarantee, ...figures, machine: machine() }
  console.log(JSON.stringify(report))
  const { events, outputs, deadLetters, repeated, exit, isRight = true } = figures
  const isCounted =
    outputs + deadLetters === events && (guarantee === 'at-least-once' || repeated === 0)
  if (!isCounted || !isRight || exit !== 0) process.exitCode = EXIT.failed
}

function command(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('--model <file>', 'ONNX file to score with', 'test/fixtures/models/card-gbdt.onnx')
    .option('--topology <file>', 'a card-fraud topology (default: W1 in test/bench/topologies)')
    .addOption(
      new Option('--guarantee <name>', 'of the worker')
        .choices(['exactly-once', 'at-least-once'])
        .default('exactly-once'),
    )
    .option('--brokers <list>', 'host:port,… (default: a broker of its own)', brokerList)
}

interface ThroughputFlags extends Flags {
  readonly events: number
  readonly values: Values
  readonly keep?: string
  readonly profile?: string
  readonly redis?: string
}

function redisFlags({ redis }: { readonly redis?: string }): string[] {
  return redis === undefined ? [] : ['--redis', redis]
}

function measureThroughput(flags: ThroughputFlags): Promise<void> {
  const { events, values, keep = null, profile } = flags
  const options = {
    ...{ events, values, keep, isIso: flags.topology?.endsWith('w1-iso.ts') === true },
    profile: profile === undefined ? null : resolve(profile),
  }
  const of = values === 'json' ? flags : { topology: W1_REGISTRY, ...flags }
  return withSchema(values, (more) =>
    measure('throughput', of, (stage) =>
      throughput(stage, { ...options, flags: [...more, ...redisFlags(flags)] }),
    ),
  )
}

async function measureContainer(flags: Flags & Load): Promise<void> {
  say('building the image ...')
  const docker = startDocker()
  try {
    const { image } = await tidemarkImage(docker)
    await measure('container', flags, (stage) => container(stage, { ...flags, docker, image }))
  } finally {
    await docker.stop()
  }
}

const commands = [
  command('throughput', 'a topic full of payments; events/s and CPU per event')
    .option('--events <n>', 'payments', wholeNumber, 1_000_000)
    .addOption(
      new Option('--values <format>', 'what the payments are written in')
        .choices(VALUES)
        .default('json'),
    )
    .option('--redis <url>', 'Redis, for a topology with a store')
    .option('--keep <file>', 'write the outputs to this file, for check.ts')
    .option('--profile <file>', "write a CPU profile of the worker's main thread to this file")
    .action(measureThroughput),
  command('latency', 'payments at an even pace; from send to receipt')
    .option('--rate <n>', 'payments a second', wholeNumber, 2_000)
    .option('--seconds <n>', 'how long', wholeNumber, 60)
    .option('--copy', 'measure a process that only copies the payments over the same wire')
    .option('--redis <url>', 'Redis, for a topology with a store')
    .action((flags: Flags & { rate: number; seconds: number; copy?: boolean; redis?: string }) =>
      measure(flags.copy === true ? 'copy' : 'latency', flags, (stage) =>
        latency(stage, { ...flags, flags: redisFlags(flags) }),
      ),
    ),
  command('kill', 'payments at an even pace to a worker that is killed; until its next output')
    .option('--rate <n>', 'payments a second', wholeNumber, 2_000)
    .option('--seconds <n>', 'how long', wholeNumber, 60)
    .option('--kills <n>', 'how often, spread evenly', wholeNumber, 4)
    .action((flags: Flags & { rate: number; seconds: number; kills: number }) =>
      measure('kill', flags, (stage) => kill(stage, flags)),
    ),
  command('outages', 'payments at an even pace while Redis is killed, stopped and filled')
    .option('--rate <n>', 'payments a second', wholeNumber, 2_000)
    .option('--seconds <n>', 'how long each outage is', wholeNumber, 60)
    .action((flags: Flags & { rate: number; seconds: number }) =>
      measure('outages', { topology: W1_OUTAGES, ...flags }, (stage) =>
        measureOutages(stage, flags),
      ),
    ),
  command('container', 'payments at an even pace to a worker in a container; its memory')
    .option('--rate <n>', 'payments a second', wholeNumber, 20_000)
    .option('--seconds <n>', 'how long', wholeNumber, 600)
    .action(measureContainer),
]

try {
  const program = new Command('bench.ts')
  for (const each of commands) program.addCommand(each)
  await program.parseAsync()
} catch (error) {
  console.error(error)
  process.exit(EXIT.failed)
}
