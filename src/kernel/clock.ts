import { setTimeout as sleep } from 'node:timers/promises'

// The clock, passed in so that a test can control it.

/**
 * The present, ms since the epoch, by two clocks that agreed when the process started: the
 * machine's, which can be set at any time, and one that only counts. Where they differ, one of the
 * two is right.
 */
export interface Present {
  readonly earliestMs: number
  readonly latestMs: number
}

export interface Clock {
  nowMs(): number
  present(): Present
  /** Milliseconds with fractions since some fixed moment; never goes back. For durations. */
  elapsedMs(): number
  /** Resolves after `ms`, after 24 days at the latest, or at once when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /**
   * Runs `work` once, after `ms`, after 24 days at the latest.
   * @returns a function that cancels it, and does nothing once it has run
   */
  after(ms: number, work: () => void): () => void
}

const beganMs = Date.now() - performance.now()

/** The longest delay of a Node timer; Node turns a longer one into 1 ms. */
const LONGEST_MS = 2 ** 31 - 1

export const wallClock: Clock = {
  nowMs: () => Date.now(),
  present: () => {
    const [clockMs, countedMs] = [Date.now(), Math.floor(beganMs + performance.now())]
    return { earliestMs: Math.min(clockMs, countedMs), latestMs: Math.max(clockMs, countedMs) }
  },
  elapsedMs: () => performance.now(),
  // Node's sleep rejects when it is aborted.
  sleep: (ms, signal) => sleep(delayOf(ms), undefined, signal && { signal }).catch(() => {}),
  after: (ms, work) => {
    const timer = setTimeout(work, delayOf(ms))
    return () => clearTimeout(timer)
  },
}

function delayOf(ms: number): number {
  return Math.max(0, Math.min(ms, LONGEST_MS))
}

/**
 * Runs `work` every `ms` until the signal aborts. The work must not throw.
 * @param o `firstMs`: the wait before the first time @default the same
 */
export async function every(
  ms: number,
  work: () => void,
  o: { readonly clock: Clock; readonly signal: AbortSignal; readonly firstMs?: number },
): Promise<void> {
  const { clock, signal, firstMs = ms } = o
  for (let waitMs = firstMs; ; waitMs = ms) {
    await clock.sleep(waitMs, signal)
    if (signal.aborted) return
    work()
  }
}

/** The result of some work, or `null` as soon as the signal aborts; the work goes on. */
export function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const give = () => resolve(null)
    if (signal.aborted) give()
    signal.addEventListener('abort', give, { once: true })
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', give))
  })
}

/** Waits for some work, but not longer than `ms`; the work goes on. */
export async function atMost(ms: number, work: Promise<void>, clock: Clock): Promise<void> {
  const over = new AbortController()
  await Promise.race([work, clock.sleep(ms, over.signal)]).finally(() => over.abort())
}
