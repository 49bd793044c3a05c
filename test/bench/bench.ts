import { basename, resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { EXIT } from '../../src/cli/print.ts'
import { untilSignal } from '../../src/cli/signals.ts'
import { machine } from './figures.ts'
import { latency } from './latency.ts'
import { onStage, type Stage } from './stage.ts'
import { throughput } from './throughput.ts'

// Measures a worker on Kafka; see RESULTS.md. One JSON line on stdout, progress on stderr.
//   npx tsx test/bench/bench.ts throughput|latency [options]

interface Flags {
  readonly brokers?: string
  readonly model: string
}

/** What every run tells, beside what it measures. */
interface Tally {
  readonly events: number
  readonly outputs: number
  readonly deadLetters: number
  readonly exit: number | string
}

/** Fails when an event got neither an output nor a dead letter, or the worker did not end as it should. */
async function measure(
  mode: string,
  { brokers, model }: Flags,
  work: (stage: Stage) => Promise<Tally>,
): Promise<void> {
  const ended = untilSignal()
  const interrupted = ended.promise.then(() => null)
  const options = { brokers: brokers?.split(',') ?? null, model: resolve(model) }
  const figures = await onStage(options, async (stage) => {
    const measured = await Promise.race([work(stage), interrupted])
    return measured && { guarantee: stage.guarantee, ...measured }
  })
  ended.dispose()
  // What was under way still holds the process, here and where something failed.
  if (figures === null) process.exit(EXIT.interrupted)
  console.log(JSON.stringify({ mode, model: basename(model), ...figures, machine: machine() }))
  const { events, outputs, deadLetters, exit } = figures
  if (outputs + deadLetters !== events || exit !== 0) process.exitCode = EXIT.failed
}

function wholeNumber(text: string): number {
  const n = Number(text)
  if (!Number.isSafeInteger(n) || n < 1) throw new InvalidArgumentError('a whole number above 0')
  return n
}

function command(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('--model <file>', 'ONNX file to score with', 'topologies/models/card-gbdt.onnx')
    .option('--brokers <list>', 'host:port,… (default: a broker of its own)')
}

const commands = [
  command('throughput', 'a topic full of payments; events/s and CPU per event')
    .option('--events <n>', 'payments', wholeNumber, 1_000_000)
    .option('--keep <file>', 'write the outputs there, for check.ts')
    .action((flags: Flags & { events: number; keep?: string }) => {
      const { events, keep = null } = flags
      return measure('throughput', flags, (stage) => throughput(stage, { events, keep }))
    }),
  command('latency', 'payments at an even pace; from send to receipt')
    .option('--rate <n>', 'payments a second', wholeNumber, 2_000)
    .option('--seconds <n>', 'how long', wholeNumber, 60)
    .action((flags: Flags & { rate: number; seconds: number }) =>
      measure('latency', flags, (stage) => latency(stage, flags)),
    ),
]

try {
  const program = new Command('bench.ts')
  for (const each of commands) program.addCommand(each)
  await program.parseAsync()
} catch (error) {
  console.error(error)
  process.exit(EXIT.failed)
}
