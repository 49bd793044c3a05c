import { fork } from 'node:child_process'
import { builtEntry } from './built-entry.ts'
import type { TreeReading } from './tree-reading.ts'

/** What the comparing process is asked. */
export interface Comparison {
  readonly bytes: Uint8Array
  readonly reading: TreeReading
}

/** What it answers. */
export interface Compared {
  /** As `differenceFrom` has it, or why both could not be asked; `null`: the same bits. */
  readonly differs: string | null
}

/** Compares a model's trees with ONNX Runtime in a process of its own. @throws Error when that ends without an answer */
export function compareApart({ bytes, reading }: Comparison): Promise<Compared> {
  return new Promise((resolve, reject) => {
    // The parent's flags (a TypeScript loader, a debugger) are none of its business: it would wait for a debugger of its own.
    const { NODE_OPTIONS: options = '', ...env } = process.env
    const child = fork(builtEntry('tree-comparer'), {
      execArgv: [],
      env: { ...env, NODE_OPTIONS: options.replace(/--inspect\S*/g, '') },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    child.once('message', (answer) => resolve(answer as Compared))
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
