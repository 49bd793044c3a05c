// The errors, by code. Each code has one action; there is no default.

/**
 * The worker's answer to an error:
 * - `refuse`: do not start; nothing has been consumed
 * - `dead-letter`: set this record aside; its neighbours are processed
 * - `retry`: try again within a stated budget; nothing is lost meanwhile
 * - `release`: another worker owns the partition now; drop the task, commit nothing
 * - `crash`: a bug, or a broken guarantee of the log; stop rather than guess
 */
export type Action = 'refuse' | 'dead-letter' | 'retry' | 'release' | 'crash'

const ACTIONS = {
  // The topology, the configuration or the command line is wrong.
  TOPOLOGY_INVALID: 'refuse',
  TOPOLOGY_LOAD: 'refuse',
  NOT_SUPPORTED: 'refuse',
  CONFIG_INVALID: 'refuse',
  TABLE_INVALID: 'refuse',
  TABLE_LIMIT: 'refuse',
  // The schema of a sink is not in the registry, and may not be added to it.
  SCHEMA_NOT_REGISTERED: 'refuse',
  SCHEMA_REJECTED: 'refuse',
  // The model does not fit.
  MODEL_FILE: 'refuse',
  MODEL_SHA256: 'refuse',
  MODEL_LOAD: 'refuse',
  MODEL_INPUT: 'refuse',
  MODEL_OUTPUT: 'refuse',
  MODEL_GOLDEN: 'refuse',
  MODEL_TOO_SLOW: 'refuse',
  MODEL_LIMIT: 'refuse',
  // The topics or the cluster are not as they must be.
  TOPIC_MISSING: 'refuse',
  TOPIC_LIMITS: 'refuse',
  TOPIC_COMPACTED: 'refuse',
  CHECKPOINT_TOPIC: 'refuse',
  TOPIC_CHANGED: 'refuse',
  AUTHENTICATION: 'refuse',
  AUTHORIZATION: 'refuse',
  BROKER_TOO_OLD: 'refuse',
  // Something that the driver depends on is broken.
  CLIENT_BROKEN: 'refuse',
  // One record cannot be scored.
  TOMBSTONE: 'dead-letter',
  NULL_KEY: 'dead-letter',
  RECORD_TOO_LARGE: 'dead-letter',
  BATCH_TOO_LARGE: 'dead-letter',
  NOT_UTF8: 'dead-letter',
  JSON_INVALID: 'dead-letter',
  JSON_DEPTH: 'dead-letter',
  JSON_FIELDS: 'dead-letter',
  JSON_PROTO: 'dead-letter',
  SCHEMA_ID_MISSING: 'dead-letter',
  SCHEMA_UNKNOWN: 'dead-letter',
  SCHEMA_UNUSABLE: 'dead-letter',
  PAYLOAD_INVALID: 'dead-letter',
  SCHEMA_INVALID: 'dead-letter',
  KEY_INVALID: 'dead-letter',
  KEY_PARTITION: 'dead-letter',
  TIME_INVALID: 'dead-letter',
  TIME_UNIT: 'dead-letter',
  FUTURE: 'dead-letter',
  LATE: 'dead-letter',
  ID_INVALID: 'dead-letter',
  COLUMN_INVALID: 'dead-letter',
  STATE_LIMIT: 'dead-letter',
  FUNCTION_THREW: 'dead-letter',
  FEATURE_NOT_FINITE: 'dead-letter',
  SCORE_NOT_FINITE: 'dead-letter',
  SCORE_FAILED: 'dead-letter',
  OUTPUT_INVALID: 'dead-letter',
  OUTPUT_TOO_LARGE: 'dead-letter',
  OUTPUT_TIMESTAMP: 'dead-letter',
  // The model can score no event of a batch: it is retried, and its partitions wait.
  MODEL_FAILING: 'retry',
  // The schema registry does not answer: a partition that needs one of its schemas waits.
  REGISTRY_UNAVAILABLE: 'retry',
  // Brokers, the group, the log.
  GROUP_ACTIVE: 'refuse',
  BROKER_UNAVAILABLE: 'retry',
  REBALANCING: 'retry',
  COMMIT_FAILED: 'retry',
  COMMIT_TIMED_OUT: 'retry',
  WORKER_NAME_LOST: 'retry',
  FENCED: 'release',
  VERDICT_INVALID: 'crash',
  OFFSET_OUT_OF_RANGE: 'crash',
  LOG_TRUNCATED: 'crash',
  BATCH_CORRUPT: 'crash',
  GROUP_FAILED: 'crash',
  WORKER_NAME_TAKEN: 'crash',
  STOP_TIMED_OUT: 'crash',
  WORKER_FAILED: 'crash',
  // A model hangs, or its thread has ended, and it has no fallback.
  MODEL_LOST: 'crash',
  // A replay makes other outputs than were written.
  REPLAY_DIFFERS: 'crash',
  // More of a batch are dead letters than its operator allows.
  TOO_MANY_DEAD: 'crash',
  INVARIANT: 'crash',
} as const satisfies Record<string, Action>

/** Names one kind of error; it determines the {@link Action}. */
export type Code = keyof typeof ACTIONS

export interface ErrorDetails {
  /** A file, a step, or `topic-partition@offset`. */
  readonly where?: string | undefined
  /** Advice for the reader. */
  readonly hint?: string | undefined
  readonly cause?: unknown
}

/**
 * An error with a code. The message names the failure and its value, but never contains a
 * payload or a key; the `cause` may.
 */
export class TidemarkError extends Error {
  /** The kind of error; it determines the action. */
  readonly code: Code
  /** A file, a step, or `topic-partition@offset`. */
  readonly where: string | undefined
  /** Advice for the reader. */
  readonly hint: string | undefined

  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'TidemarkError'
    this.code = code
    this.where = details.where
    this.hint = details.hint
  }

  /** The worker's answer to it. */
  get action(): Action {
    return ACTIONS[this.code]
  }
}

/** Several errors found together, so that the reader can fix them all at once. */
export class Refused extends Error {
  /** The errors, in the order in which they were found. */
  readonly faults: readonly TidemarkError[]

  constructor(faults: readonly TidemarkError[]) {
    super(faults.map((f) => `${f.code}: ${f.message}`).join('\n'))
    this.name = 'Refused'
    this.faults = faults
  }
}

/** A fault of the configuration. @param where a flag, a variable, a file, or a place in one */
export function configFault(message: string, where?: string, hint?: string): TidemarkError {
  return new TidemarkError('CONFIG_INVALID', message, { where, hint })
}

/** @throws Refused when there is at least one fault */
export function refuseIfAny(faults: readonly TidemarkError[]): void {
  if (faults.length > 0) throw new Refused(faults)
}

/** Whether it is an error of the system, such as a full disk: it has a code, and may have a path. */
export function isSystemError(
  thrown: unknown,
): thrown is NodeJS.ErrnoException & { readonly code: string } {
  const isSystems = thrown instanceof Error && 'syscall' in thrown && 'code' in thrown
  return isSystems && typeof thrown.code === 'string'
}

/**
 * Returns a function for `catch`, which throws its argument. An error of the system about an open
 * file does not say which file that is: it gets the path.
 */
export function atPath(path: string): (thrown: unknown) => never {
  return (thrown) => {
    if (!isSystemError(thrown) || thrown.path !== undefined) throw thrown
    throw Object.assign(thrown, { message: `${thrown.message} '${path}'`, path })
  }
}

/** The code of a fault; `INVARIANT`: a bug. */
export function codeOf(fault: unknown): string {
  return fault instanceof TidemarkError || isSystemError(fault) ? fault.code : 'INVARIANT'
}

/** The faults of a {@link Refused}; any other thrown value alone. */
export function faultsOf(thrown: unknown): readonly unknown[] {
  return thrown instanceof Refused ? thrown.faults : [thrown]
}

/** For `catch`: the error of work that may be refused. @throws any other thrown value */
export function orFault(thrown: unknown): TidemarkError {
  if (thrown instanceof TidemarkError) return thrown
  throw thrown
}

/**
 * Returns the result of some work; `null`: it was refused, and its faults were added to `faults`.
 * @throws any other thrown value
 */
export async function unlessRefused<T>(
  work: () => T | Promise<T>,
  faults: TidemarkError[],
): Promise<T | null> {
  try {
    return await work()
  } catch (thrown) {
    faults.push(...faultsOf(thrown).map(orFault))
    return null
  }
}

/** The message of a thrown value, which need not be an error. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
