import { messageOf } from '../kernel/errors.ts'
import type { Observer } from '../runtime/events.ts'

/**
 * Combines several observers into one; they are called in order. One that throws harms neither the
 * worker nor the other observers: its first failure becomes a process warning, and it is still
 * called for later events.
 */
export function observeAll(...observers: readonly Observer[]): Observer {
  const failed = new Set<Observer>()
  return (event) => {
    for (const observer of observers) {
      try {
        observer(event)
      } catch (thrown) {
        if (failed.has(observer)) continue
        failed.add(observer)
        process.emitWarning(`an observer failed on "${event.type}": ${messageOf(thrown)}`)
      }
    }
  }
}
