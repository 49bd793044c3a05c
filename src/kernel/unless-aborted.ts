/**
 * The result of some work, or `null` as soon as the signal aborts; the work itself is not
 * cancelled.
 */
export function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const give = () => resolve(null)
    if (signal.aborted) give()
    signal.addEventListener('abort', give, { once: true })
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', give))
  })
}
