import type { KeyedHash } from '../kernel/bytes.ts'
import type { Clock } from '../kernel/clock.ts'
import type { Random } from '../kernel/random.ts'
import type { Slices } from '../kernel/slices.ts'
import type { Observer } from './events.ts'

/** Shared by all parts of a worker. */
export interface WorkerContext {
  readonly clock: Clock
  /** Randomises the backoff of retries. */
  readonly random: Random
  readonly observer: Observer
  readonly slices: Slices
  /** The hash of everything that is found by bytes from outside. */
  readonly hash: KeyedHash
}
