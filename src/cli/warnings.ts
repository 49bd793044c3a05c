import { colors, say } from './print.ts'

// Warnings of Node and of libraries, such as of a listener too many or of a deprecated call. Node
// would write them as they are between the lines of ours.

let tell = ({ name, message }: Error) => say(`${colors.yellow('!')} ${name}: ${message}`)

/**
 * Takes them over from Node, and says them as notes. Under `--no-warnings`, or
 * `NODE_NO_WARNINGS=1`, there are none.
 */
export function watchWarnings(): void {
  if (process.listenerCount('warning') === 0) return
  process.removeAllListeners('warning')
  process.on('warning', (warning) => tell(warning))
}

/** From now on they are told so. */
export function warnThrough(way: (warning: Error) => void): void {
  tell = way
}
