// The process that reads our stdout may exit, as `head` does. That ends a command; it is not an
// error.

const reader = new AbortController()

/** Aborts once stdout is closed or cannot be written. */
export const readerGone: AbortSignal = reader.signal

let isData = false

/**
 * Starts to watch stdout. Without this, a closed pipe would end the process with a stack trace.
 *
 * @param failed called if data cannot be written, such as to a full disk
 */
export function watchStdout(failed: (error: Error) => void): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // If only a topology's own prints are lost, the command continues.
    if (isData && error.code !== 'EPIPE') failed(error)
    reader.abort()
  })
}

/** Writes data to stdout; resolves when stdout accepts more. */
export function write(data: string | Buffer): Promise<void> | void {
  isData = true
  if (readerGone.aborted || process.stdout.write(data)) return
  return new Promise((resolve) => {
    const done = () => {
      process.stdout.off('drain', done)
      readerGone.removeEventListener('abort', done)
      resolve()
    }
    process.stdout.once('drain', done)
    readerGone.addEventListener('abort', done, { once: true })
  })
}
