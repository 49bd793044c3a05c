import type { Clock } from '../kernel/clock.ts'
import type { Random } from '../kernel/random.ts'
import type { Slices } from '../kernel/slices.ts'
import type { Records } from '../records/port.ts'
import type { Observer } from './events.ts'

/** What a table needs of the worker around it. */
export interface TableSurroundings {
  readonly records: Pick<Records, 'follow'>
  readonly clock: Clock
  readonly random: Random
  /** Shared by all tables of the worker. */
  readonly slices: Slices
  readonly observer: Observer
}
