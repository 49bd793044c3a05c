import { readlinkSync } from 'node:fs'
import { constants, setPriority } from 'node:os'

/**
 * Gives the calling thread the lowest priority: it runs when nothing else needs the processor. Only
 * on Linux can a thread have a priority of its own; elsewhere nothing is changed.
 */
export function yieldToOthers(): void {
  try {
    // `4711/task/4719`: on Linux, setpriority(2) takes the number of a thread. If the process has
    // another number there, /proc counts differently, as that of a host does.
    const [own, , thread] = readlinkSync('/proc/thread-self').split('/')
    if (Number(own) !== process.pid) return
    setPriority(Number(thread), constants.priority.PRIORITY_LOW)
  } catch {
    // It then competes with the other threads.
  }
}
