import { EXIT, sayOnOwnLine } from './print.ts'

export interface Ending {
  /** Resolves at SIGINT, at SIGTERM, or when the given signal aborts. */
  readonly promise: Promise<void>
  /** Has it come? */
  readonly hasCome: boolean
  /** Stops listening: from then on a signal does what it does without a listener. */
  dispose(): void
}

/**
 * Waits for the wish to end. Whoever wishes twice does not want to wait: the process exits at once
 * with 130.
 *
 * @param tell says that the wish was heard, @default to stderr
 */
export function untilSignal(
  other?: AbortSignal,
  tell: (line: string) => void = sayOnOwnLine,
): Ending {
  let isSignalled = false
  const ending = new AbortController()
  const promise = new Promise<void>((resolve) => {
    ending.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  const end = () => ending.abort()
  const signalled = (name: NodeJS.Signals) => {
    if (isSignalled) process.exit(EXIT.interrupted)
    isSignalled = true
    tell(`${name}: finishing what is in flight; once more to exit at once`)
    end()
  }
  process.on('SIGINT', signalled)
  process.on('SIGTERM', signalled)
  if (other?.aborted === true) end()
  other?.addEventListener('abort', end, { once: true })
  return {
    promise,
    get hasCome() {
      return ending.signal.aborted
    },
    dispose: () => {
      process.off('SIGINT', signalled)
      process.off('SIGTERM', signalled)
      other?.removeEventListener('abort', end)
    },
  }
}
