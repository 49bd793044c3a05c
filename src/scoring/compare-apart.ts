import { fork } from 'node:child_process'
import { builtEntry } from './built-entry.ts'
import type { TreeReading } from './tree-reading.ts'

/** The request to the comparing process. */
export interface Comparison {
  readonly bytes: Uint8Array
  readonly reading: TreeReading
}

/** The result of a comparison. */
export interface Compared {
  /** As `differenceFrom` returns it. */
  readonly differs: string | null
}

/** The comparing process's reply. `failed`: why the two could not be compared this time. */
export type ComparisonReply = Compared | { readonly failed: string }

/**
 * Compares a model's trees with ONNX Runtime in a separate process.
 *
 * @throws Error when the two could not be compared
 */
export function compareApart({ bytes, reading }: Comparison): Promise<Compared> {
  return new Promise((resolve, reject) => {
    // The parent's flags (a TypeScript loader, a debugger) are not passed on: the child would wait
    // for its own debugger.
    const { NODE_OPTIONS: options = '', ...env } = process.env
    const child = fork(builtEntry('tree-comparer'), {
      execArgv: [],
      env: { ...env, NODE_OPTIONS: options.replace(/--inspect\S*/g, '') },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    child.once('message', (reply: ComparisonReply) => {
      if ('failed' in reply) reject(new Error(reply.failed))
      else resolve(reply)
    })
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      reject(new Error(`the comparing process ended with ${signal ?? `exit code ${code}`}`))
    })
    const { input, outputs, features } = reading
    child.send({ bytes, reading: { input, outputs, features } }, (error) => {
      if (error !== null) reject(error)
    })
  })
}
