import { createRequire } from 'node:module'

interface RequestQueue {
  readonly pending: readonly unknown[]
  scheduleCheckPendingRequests: (this: RequestQueue) => void
}

let off = false

/**
 * Ends the library's idle polling: each of its connections asks itself every millisecond whether a request waits to be sent,
 * for as long as it lives, from its first answer on (network/requestQueue/index.js; kafkajs#1704). It costs several percent of a core,
 * and on Node 24 a warning, because the time that it sets is negative. Now a timer is set only while something waits.
 */
export function endIdlePolling(): void {
  if (off) return
  off = true
  const queue = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as {
    readonly prototype: RequestQueue
  }
  const schedule = queue.prototype.scheduleCheckPendingRequests
  queue.prototype.scheduleCheckPendingRequests = function whilePending() {
    if (this.pending.length > 0) schedule.call(this)
  }
}
