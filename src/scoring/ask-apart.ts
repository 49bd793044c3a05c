import { fork } from 'node:child_process'
import { builtEntry } from './built-entry.ts'

/** What the other process answers. `failed`: why it has no answer this time. */
export type ReplyApart<T> = T | { readonly failed: string }

/**
 * Asks a process of its own, which ends after its answer.
 *
 * @param entry name of its file in this folder
 * @throws Error when there is no answer
 */
export function askApart<T extends object>(entry: string, question: object): Promise<T> {
  return new Promise((resolve, reject) => {
    // The parent's flags (a TypeScript loader, a debugger) are not passed on: the child would wait
    // for its own debugger.
    const { NODE_OPTIONS: options = '', ...env } = process.env
    const child = fork(builtEntry(entry), {
      execArgv: [],
      env: { ...env, NODE_OPTIONS: options.replace(/--inspect\S*/g, '') },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    child.once('message', (reply: ReplyApart<T>) => {
      if ('failed' in reply) reject(new Error(reply.failed))
      else resolve(reply)
    })
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      reject(new Error(`the process of ${entry} ended with ${signal ?? `exit code ${code}`}`))
    })
    child.send(question, (error) => {
      if (error !== null) reject(error)
    })
  })
}

/**
 * Answers the question of {@link askApart} in the other process, which then ends.
 *
 * @param answer takes the question that its {@link askApart} asks
 */
export function answerApart(answer: (question: never) => Promise<object>): void {
  const reply = async (question: unknown) => {
    process.send?.(await answer(question as never))
    process.disconnect()
  }
  process.once('message', (question) => void reply(question))
}
