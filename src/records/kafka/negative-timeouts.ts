let silenced = false

/**
 * Keeps one warning of Node 24 off the operator's screen: kafkajs sets timers to negative times (requestQueue/index.js, while
 * a connection is not throttled), which is harmless and cannot be avoided from outside. Other warnings pass.
 */
export function silenceNegativeTimeouts(): void {
  if (silenced) return
  silenced = true
  const emit = process.emitWarning.bind(process) as (...args: unknown[]) => void
  process.emitWarning = (...args: unknown[]) => {
    if (args[1] !== 'TimeoutNegativeWarning') emit(...args)
  }
}
