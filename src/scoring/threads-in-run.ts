const inRun = new Set<object>()

/** A scoring thread of this process begins a run. @param thread what stands for it */
export function beginRun(thread: object): void {
  inRun.add(thread)
}

/** The run has returned, or the thread has ended. */
export function endRun(thread: object): void {
  inRun.delete(thread)
}

/**
 * How many scoring threads of this process are in a run. While one is, the process cannot end by
 * itself or by `process.exit`: Node waits for the run to return.
 */
export function threadsInRun(): number {
  return inRun.size
}
