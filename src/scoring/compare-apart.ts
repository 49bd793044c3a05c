import { fork } from 'node:child_process'
import { builtEntry } from './built-entry.ts'
import type { TreeReading } from './tree-reading.ts'

/** What the comparing process is asked. */
export interface Comparison {
  readonly bytes: Uint8Array
  readonly reading: TreeReading
}

/** What it found. */
export interface Compared {
  /** As `differenceFrom` has it. */
  readonly differs: string | null
}

/** What it answers. `failed`: why both could not be asked this time. */
export type Answer = Compared | { readonly failed: string }

/**
 * Compares a model's trees with ONNX Runtime in a process of its own. @throws Error when both could
 * not be asked
 */
export function compareApart({ bytes, reading }: Comparison): Promise<Compared> {
  return new Promise((resolve, reject) => {
    // The parent's flags (a TypeScript loader, a debugger) are none of its business: it would wait
    // for a debugger of its own.
    const { NODE_OPTIONS: options = '', ...env } = process.env
    const child = fork(builtEntry('tree-comparer'), {
      execArgv: [],
      env: { ...env, NODE_OPTIONS: options.replace(/--inspect\S*/g, '') },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    child.once('message', (answer: Answer) => {
      if ('failed' in answer) reject(new Error(answer.failed))
      else resolve(answer)
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
