/** The longest delay of a timer, ms. */
const LONGEST_MS = 2 ** 31 - 1

/** How long a run may take. */
export interface RunLimit {
  /** ms; +Infinity: any time. */
  readonly ms: number
  /**
   * How many timers measure it, one after the other. Of a time in which the event loop did not run
   * (a busy loop, a suspended process) only one of them counts.
   */
  readonly timers: number
}

/**
 * Calls `over` unless the returned function is called in time.
 */
export function watchRun({ ms, timers }: RunLimit, over: () => void): () => void {
  if (ms === Number.POSITIVE_INFINITY) return () => {}
  const pieceMs = Math.min(ms / timers, LONGEST_MS)
  let left = timers
  let timer: NodeJS.Timeout
  let turn: NodeJS.Immediate | undefined
  const passed = () => {
    left--
    if (left > 0) timer = setTimeout(passed, pieceMs)
    // The answer may have arrived and not been read, since timers come first in a turn.
    else turn = setImmediate(over)
  }
  timer = setTimeout(passed, pieceMs)
  return () => {
    clearTimeout(timer)
    clearImmediate(turn)
  }
}
