import { Command, CommanderError } from 'commander'
import { packageVersion } from '../host/version.ts'
import { refuseIfAny } from '../kernel/errors.ts'
import { check } from './check.ts'
import { takesSettings } from './config.ts'
import { consume } from './consume.ts'
import { demo } from './demo.ts'
import { dev } from './dev.ts'
import { graph } from './graph.ts'
import { init } from './init.ts'
import { model } from './model.ts'
import { watchStdout } from './output.ts'
import { colors, describeFailure, EXIT, exitCodeOf, say } from './print.ts'
import { produce } from './produce.ts'
import { repeatFaults, watchRepeats } from './repeats.ts'
import { run } from './run.ts'
import { watchWarnings } from './warnings.ts'

/** In the order of the help page. A command adds itself and what it takes to the program. */
const COMMANDS = [demo, dev, run, check, graph, produce, consume, init, model]

/** Runs one command line; sets the exit code and never throws. */
export async function main(args: readonly string[]): Promise<void> {
  const stack = wantsStack(args)
  const fail = (thrown: unknown) => {
    process.exitCode = report(thrown, stack)
  }
  watchStdout(fail)
  // Where nothing can be said, there is nobody to say so to.
  process.stderr.on('error', () => {})
  watchWarnings()
  try {
    await program().parseAsync(args, { from: 'user' })
  } catch (thrown) {
    fail(thrown)
  }
}

function program(): Command {
  const root = new Command('tidemark')
    .description('Event-time features and ONNX scoring on Kafka.')
    .version(packageVersion())
    // Else the program would take a command's own --version for its own.
    .enablePositionalOptions()
    .showHelpAfterError('(--help shows what there is)')
    .configureOutput({ outputError: (text, put) => put(colors.red(text)) })
    .exitOverride()
  for (const command of COMMANDS) root.addCommand(inherit(root, command()))
  return root
}

/** Commands made on their own do not take over the settings of the program. */
function inherit(root: Command, command: Command): Command {
  command.copyInheritedSettings(root)
  watchRepeats(command)
  // One that takes settings tells it with all else that is wrong with them.
  if (!takesSettings(command)) {
    command.hook('preAction', () => refuseIfAny(repeatFaults(command.opts())))
  }
  for (const inner of command.commands) inherit(command, inner)
  return command
}

/** Says what went wrong; the code to exit with. */
function report(thrown: unknown, stack: boolean): number {
  // Commander has said it already; it throws for --help and --version too.
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.done : EXIT.usage
  say(describeFailure(thrown, { colors, stack }))
  return exitCodeOf(thrown)
}

/** Looked for by hand: a failure may come before the settings are read. */
function wantsStack(args: readonly string[]): boolean {
  const flag = /--log-level[ =]debug/.test(args.join(' '))
  return flag || process.env['TIDEMARK_LOG_LEVEL'] === 'debug'
}
