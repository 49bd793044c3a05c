import { Command, InvalidArgumentError } from 'commander'
import { EXIT } from '../../src/cli/exit.ts'
import { say } from '../../src/cli/print.ts'
import { machine } from '../bench/figures.ts'
import { withBrokers } from '../bench/stage.ts'
import { type AskedCourse, askWhileKilled } from './asked-course.ts'

// Workers that are asked while they are killed, and a verdict on every answer. See docs/soak.md.
// npx tsx test/chaos/asked.ts [options]

function above0(text: string): number {
  const n = Number(text)
  if (!(Number.isSafeInteger(n) && n > 0)) throw new InvalidArgumentError('a whole number above 0')
  return n
}

type Flags = Omit<AskedCourse, 'brokers'>

async function main(flags: Flags): Promise<void> {
  const report = await withBrokers(null, (brokers) => askWhileKilled({ ...flags, brokers }))
  for (const fault of report.faults) say(fault)
  const ok = report.faults.length === 0
  console.log(JSON.stringify({ mode: 'asked', ok, ...flags, ...report, machine: machine() }))
  if (!ok) process.exitCode = EXIT.failed
}

try {
  await new Command('asked.ts')
    .option('--seconds <n>', 'how long payments are fed', above0, 600)
    .option('--per-second <n>', 'payments a second', above0, 2_000)
    .option('--asks-per-second <n>', 'requests a second, to any worker', above0, 200)
    .option('--kill-every-seconds <n>', 'of one worker, which is started again', above0, 30)
    .action(main)
    .parseAsync()
} catch (error) {
  console.error(error)
  process.exit(EXIT.failed)
}
