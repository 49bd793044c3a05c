// What reads our stdout may go away, as `head` does when it has enough. That ends a command, it is
// no error.

const reader = new AbortController()

/** Aborts once nobody reads stdout any more, or it takes nothing more. */
export const readerGone: AbortSignal = reader.signal

let isData = false

/**
 * Listens from now on; without it a closed pipe would end the process with a stack.
 *
 * @param failed told that data could not be written, such as to a full disk
 */
export function watchStdout(failed: (error: Error) => void): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // What a topology prints by itself is not worth an end.
    if (isData && error.code !== 'EPIPE') failed(error)
    reader.abort()
  })
}

/** Writes data; resolves when stdout takes more. */
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
