/** A worker that has been started. */
export interface RunningWorker {
  /** The consumer group that it joins. */
  readonly group: string
  /** What the reader should know, though it stops nothing, such as how far back a restart reads. */
  readonly notes: readonly string[]
  /** Where it serves; `null` where that was not asked for. */
  readonly http: { readonly host: string; readonly port: number } | null
  /**
   * Resolves when the worker was stopped and all that belongs to it is closed. Rejects with what
   * ended it: Refused (`TOPIC_MISSING`, `TOPIC_LIMITS`, `TOPIC_COMPACTED`, `TOPIC_CHANGED`,
   * `AUTHORIZATION`), TidemarkError (`AUTHENTICATION`, `OFFSET_OUT_OF_RANGE`, `GROUP_FAILED`,
   * `WORKER_NAME_TAKEN`, `STOP_TIMED_OUT`), or a bug. No handler is needed.
   */
  readonly done: Promise<void>
  /**
   * Stops fetching, finishes and commits what is in flight, leaves the group: 30 s at most.
   * Resolves or rejects as {@link done} does.
   */
  stop(): Promise<void>
}
