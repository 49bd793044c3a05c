import { readlinkSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { basename } from 'node:path'

/**
 * Gives the calling thread the lowest priority: it runs when nothing else needs the processor. Only
 * on Linux can a thread have a priority of its own; elsewhere nothing is changed.
 */
export function yieldToOthers(): void {
  try {
    // `4711/task/4719`: on Linux, setpriority(2) takes the number of a thread.
    const thread = Number(basename(readlinkSync('/proc/thread-self')))
    setPriority(thread, constants.priority.PRIORITY_LOW)
  } catch {
    // It then competes with the other threads.
  }
}
