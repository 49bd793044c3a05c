import { codeOf, faultsOf, TidemarkError } from '../kernel/errors.ts'
import { threadsInRun } from '../scoring/thread-runner.ts'
import { colors, noteLine, say, sayOnOwnLine } from './print.ts'

// How a command ends: its exit code, and its reaction to a signal.

export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  /** The configuration, a topology or a model is wrong. */
  refused: 3,
  /** A broker, a topic, a registry, a schema in it or a right is missing. */
  unreachable: 4,
  interrupted: 130,
} as const

const OUTSIDE = new Set([
  'BROKER_UNAVAILABLE',
  'AUTHENTICATION',
  'AUTHORIZATION',
  'TOPIC_MISSING',
  'TOPIC_LIMITS',
  'REGISTRY_UNAVAILABLE',
  'SCHEMA_NOT_REGISTERED',
])

const END_WITHIN_MS = 2_000

let lastError: string | null = null

export function failWith(thrown: unknown): number {
  lastError = codeOf(faultsOf(thrown)[0])
  return exitCodeOf(thrown)
}

export function exitCodeOf(thrown: unknown): number {
  const faults = faultsOf(thrown)
  const errors = faults.filter((fault) => fault instanceof TidemarkError)
  if (errors.length < faults.length) return EXIT.failed
  if (errors.every((fault) => OUTSIDE.has(fault.code))) return EXIT.unreachable
  return errors.some((fault) => fault.action === 'refuse') ? EXIT.refused : EXIT.failed
}

export function endProcess(): void {
  const end = () => exitNow(Number(process.exitCode ?? 0))
  if (threadsInRun() > 0) end()
  // A broker that hangs may hold a connection open that is no longer needed.
  setTimeout(end, END_WITHIN_MS).unref()
}

/**
 * Exits at once. While a model's run hangs, only SIGKILL ends the process; its last line then has
 * the exit code, which is lost.
 */
function exitNow(code: number): never {
  if (threadsInRun() === 0) return process.exit(code)
  const line = `killed, because the run of a model hangs; the exit code would be ${code}`
  const { red, bold } = colors
  say(lastError === null ? noteLine(line) : `${red('✗')} ${bold(lastError)}  ${line}`)
  process.emit('exit', code)
  process.kill(process.pid, 'SIGKILL')
  // The signal may reach another thread first.
  for (;;);
}

/** Says how a command goes on that was told to stop, which its exit code tells too. */
export function endInterrupted(line: string): void {
  say(line)
  process.exitCode = EXIT.interrupted
}

export type StopRequest = ReturnType<typeof untilSignal>

/**
 * Listens for a request to stop. A second signal ends the process at once.
 * @param other a further source of requests
 */
export function untilSignal(other?: AbortSignal) {
  const signals = new AbortController()
  const requests = other ? AbortSignal.any([signals.signal, other]) : signals.signal
  const signalled = (name: NodeJS.Signals) => {
    if (signals.signal.aborted) exitNow(EXIT.interrupted)
    sayOnOwnLine(`${name}: finishing what is in flight; send it again to exit at once`)
    signals.abort()
  }
  process.on('SIGINT', signalled)
  process.on('SIGTERM', signalled)
  return {
    /** Resolves at SIGINT, at SIGTERM, or when the given signal aborts. */
    promise: new Promise<void>((resolve) => {
      if (requests.aborted) resolve()
      requests.addEventListener('abort', () => resolve(), { once: true })
    }),
    signal: requests,
    /** Removes the handlers: signals then have their default effect again. */
    dispose: () => {
      process.off('SIGINT', signalled)
      process.off('SIGTERM', signalled)
    },
  }
}

/**
 * Does work that a signal asks to stop.
 * @param other a further source of requests
 */
export async function withSignal(
  work: (stop: AbortSignal) => Promise<void>,
  other?: AbortSignal,
): Promise<void> {
  const ended = untilSignal(other)
  try {
    await work(ended.signal)
  } finally {
    ended.dispose()
  }
}
