import { colors, say } from './print.ts'

// Warnings of Node and of libraries, such as about too many listeners or a deprecated call. By
// default Node would print them unformatted, between our own lines.

let tell = ({ name, message }: Error) => say(`${colors.yellow('!')} ${name}: ${message}`)

/**
 * Prints Node's warnings as notes from now on. With `--no-warnings` or `NODE_NO_WARNINGS=1` there
 * are none.
 */
export function watchWarnings(): void {
  if (process.listenerCount('warning') === 0) return
  process.removeAllListeners('warning')
  process.on('warning', (warning) => tell(warning))
}

/** Passes warnings to a function from now on. */
export function warnThrough(way: (warning: Error) => void): void {
  tell = way
}
