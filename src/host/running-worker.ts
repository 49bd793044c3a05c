/** A started worker. */
export interface RunningWorker {
  /** The consumer group that it joins. */
  readonly group: string
  /**
   * Notes that the operator should read, such as how far back a restart reads; none of them is an
   * error.
   */
  readonly notes: readonly string[]
  /** The address of the HTTP server; `null`: none was asked for. */
  readonly http: { readonly host: string; readonly port: number } | null
  /** The address where requests are answered; `null`: none was asked for. */
  readonly predict: { readonly host: string; readonly port: number } | null
  /**
   * Resolves when the worker has stopped and all that belongs to it is closed. Rejects with the
   * error: Refused (`TOPIC_MISSING`, `TOPIC_LIMITS`, `TOPIC_COMPACTED`, `TOPIC_CHANGED`,
   * `AUTHORIZATION`), TidemarkError (`AUTHENTICATION`, `OFFSET_OUT_OF_RANGE`, `GROUP_FAILED`,
   * `WORKER_NAME_TAKEN`, `MODEL_LOST`, `STOP_TIMED_OUT`), or a bug. No handler is needed.
   */
  readonly done: Promise<void>
  /**
   * Stops fetching, finishes and commits work in flight, and leaves the group; takes 30 s at
   * most. Resolves or rejects as {@link done} does.
   */
  stop(): Promise<void>
}
