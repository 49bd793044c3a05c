// What reads our stdout may go away, as `head` does when it has enough. That ends a command, it is no error.

const reader = new AbortController()

/** Aborts once nobody reads stdout any more. */
export const readerGone: AbortSignal = reader.signal

/** Listens from now on; without it a closed pipe would end the process with a stack. */
export function watchStdout(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    reader.abort()
  })
}

/** Writes data; resolves when stdout takes more. */
export function write(data: string | Buffer): Promise<void> | void {
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
