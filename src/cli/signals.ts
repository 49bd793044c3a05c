import { exitNow } from './exit-now.ts'
import { EXIT, sayOnOwnLine } from './print.ts'

/** A request to stop, by a signal or otherwise. */
export interface StopRequest {
  /** Resolves at SIGINT, at SIGTERM, or when the given signal aborts. */
  readonly promise: Promise<void>
  /** Whether it has come. */
  readonly hasCome: boolean
  /** Removes the handlers: signals then have their default effect again. */
  dispose(): void
}

/**
 * Listens for a request to stop. A second signal makes the process exit at once with code 130.
 *
 * @param other a further source of requests
 * @param tell prints that the request was received, @default to stderr
 */
export function untilSignal(
  other?: AbortSignal,
  tell: (line: string) => void = sayOnOwnLine,
): StopRequest {
  let isSignalled = false
  const ending = new AbortController()
  const promise = new Promise<void>((resolve) => {
    ending.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  const end = () => ending.abort()
  const signalled = (name: NodeJS.Signals) => {
    if (isSignalled) exitNow(EXIT.interrupted)
    isSignalled = true
    tell(`${name}: finishing what is in flight; send it again to exit at once`)
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
