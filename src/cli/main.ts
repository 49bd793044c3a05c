import { Command, CommanderError } from 'commander'
import { packageVersion } from '../host/version.ts'
import { refuseIfAny } from '../kernel/errors.ts'
import { takesSettings } from './config.ts'
import { watchStdout } from './output.ts'
import { colors, describeFailure, EXIT, exitCodeOf, say } from './print.ts'
import { repeatFaults, watchRepeats } from './repeats.ts'
import { watchWarnings } from './warnings.ts'

/**
 * In the order of the help page. Each says what it takes; only the one that is wanted is loaded.
 */
const COMMANDS = {
  demo: async () => (await import('./demo.ts')).demo,
  dev: async () => (await import('./dev.ts')).dev,
  run: async () => (await import('./run.ts')).run,
  check: async () => (await import('./check.ts')).check,
  graph: async () => (await import('./graph.ts')).graph,
  produce: async () => (await import('./produce.ts')).produce,
  consume: async () => (await import('./consume.ts')).consume,
  init: async () => (await import('./init.ts')).init,
  model: async () => (await import('./model.ts')).model,
} satisfies Record<string, () => Promise<() => Command>>

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
    await (await program(args)).parseAsync(args, { from: 'user' })
  } catch (thrown) {
    fail(thrown)
  }
}

async function program([first = '']: readonly string[]): Promise<Command> {
  const wanted = Object.entries(COMMANDS).filter(([name]) => name === first)
  const loads = wanted.length > 0 ? wanted.map(([, load]) => load) : Object.values(COMMANDS)
  const commands = await Promise.all(loads.map((load) => load()))
  const root = new Command('tidemark')
    .description('Event-time features and ONNX scoring on Kafka.')
    .version(packageVersion())
    // Else the program would take a command's own --version for its own.
    .enablePositionalOptions()
    .showHelpAfterError('(--help shows what there is)')
    .configureOutput({ outputError: (text, put) => put(colors.red(text)) })
    .exitOverride()
  for (const command of commands) root.addCommand(inherit(root, command()))
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
