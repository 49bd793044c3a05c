import { Command, CommanderError } from 'commander'
import { packageVersion } from '../kernel/node.ts'
import { refuseRepeats } from './config.ts'
import { EXIT, failWith } from './exit.ts'
import { colors, describeFailure, say, watchStdout, watchWarnings } from './print.ts'

export { endProcess } from './exit.ts'

/** The commands, in the order of the help page. Only the one that runs is loaded. */
const COMMANDS = {
  demo: async () => (await import('./demo.ts')).demo,
  dev: async () => (await import('./dev.ts')).dev,
  run: async () => (await import('./run.ts')).run,
  batch: async () => (await import('./batch.ts')).batch,
  serve: async () => (await import('./serve.ts')).serve,
  status: async () => (await import('./status.ts')).status,
  check: async () => (await import('./check.ts')).check,
  graph: async () => (await import('./graph.ts')).graph,
  produce: async () => (await import('./produce.ts')).produceCommand,
  consume: async () => (await import('./consume.ts')).consume,
  compare: async () => (await import('./compare.ts')).compare,
  replay: async () => (await import('./replay.ts')).replayCommand,
  offsets: async () => (await import('./offsets.ts')).offsetsCommand,
  dlq: async () => (await import('./dlq.ts')).dlq,
  init: async () => (await import('./init.ts')).init,
  advise: async () => (await import('./advise.ts')).advise,
  model: async () => (await import('./model.ts')).model,
} satisfies Record<string, () => Promise<() => Command>>

/** Runs the command line of this process; sets the exit code and never throws. */
export async function main(args: readonly string[]): Promise<void> {
  watchStdout((error) => {
    process.exitCode = report(error, args)
  })
  // An error on stderr cannot be reported anywhere.
  process.stderr.on('error', () => {})
  watchWarnings()
  const code = await runCommand(args)
  process.exitCode ||= code
}

export async function runCommand(args: readonly string[]): Promise<number> {
  try {
    await (await program(args)).parseAsync(args, { from: 'user' })
    return EXIT.done
  } catch (thrown) {
    return report(thrown, args)
  }
}

async function program([first = '']: readonly string[]): Promise<Command> {
  const wanted = Object.entries(COMMANDS).filter(([name]) => name === first)
  const loads = wanted.length > 0 ? wanted.map(([, load]) => load) : Object.values(COMMANDS)
  const commands = await Promise.all(loads.map((load) => load()))
  const root = new Command('tidemark')
    .description('Event-time features and ONNX scoring on Kafka.')
    .version(packageVersion())
    // Otherwise the program would treat a command's --version as its own.
    .enablePositionalOptions()
    .showHelpAfterError('(see --help)')
    .configureOutput({ outputError: (text, put) => put(colors.red(text)) })
    .exitOverride()
  for (const command of commands) root.addCommand(inherit(root, command()))
  return root
}

/** A command that is created separately does not inherit the program's settings automatically. */
function inherit(root: Command, command: Command): Command {
  command.copyInheritedSettings(root)
  refuseRepeats(command)
  for (const inner of command.commands) inherit(command, inner)
  return command
}

function report(thrown: unknown, args: readonly string[]): number {
  // Commander has already printed it; it also throws for --help and --version.
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.done : EXIT.usage
  say(describeFailure(thrown, wantsStack(args)))
  return failWith(thrown)
}

/** Searched for directly, because a failure may come before the settings are read. */
function wantsStack(args: readonly string[]): boolean {
  const flag = /--log-level[ =]debug/.test(args.join(' '))
  return flag || process.env['TIDEMARK_LOG_LEVEL'] === 'debug'
}
