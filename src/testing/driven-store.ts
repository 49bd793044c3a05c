import { setImmediate as nextTurn } from 'node:timers/promises'
import type { DurationMs } from '../kernel/time.ts'
import {
  type Computed,
  GivenSource,
  type StoredRow,
  type StoreSource,
} from '../lookup/store-source.ts'
import type { StoreDefinition } from '../topology/definition.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** The rows of a store in a test, and how it answers. */
export class DrivenStore {
  /** For the worker. */
  readonly source: StoreSource
  readonly #rows: Map<string, unknown>
  #delayMs = 0
  #isFailing = false

  /** @param rows by key, as the schema takes them @param clock of the driver, now */
  constructor(
    definition: StoreDefinition,
    rows: Readonly<Record<string, unknown>>,
    clock: () => VirtualClock,
  ) {
    const given = new GivenSource(definition, Object.entries(rows))
    const answer = async () => {
      if (this.#isFailing) throw new Error('the test has made it fail')
      const untilMs = clock().nowMs() + this.#delayMs
      while (this.#delayMs > 0 && clock().step(untilMs)) await nextTurn()
    }
    this.#rows = given.rows
    this.source = {
      getMany: async (keys: readonly string[]): Promise<readonly StoredRow[]> => {
        await answer()
        return given.getMany(keys)
      },
      setMany: async (computed: readonly Computed[]): Promise<void> => {
        await answer()
        await given.setMany(computed)
      },
    }
  }

  /** The row of a key, also one that was written back; `undefined`: there is none. */
  get(key: string): unknown {
    return this.#rows.get(key)
  }

  /** Gives a key a row, as the schema takes it. */
  set(key: string, row: unknown): void {
    this.#rows.set(key, row)
  }

  delete(key: string): void {
    this.#rows.delete(key)
  }

  /** From now on its answers take this long, by the driver's clock. */
  delay(duration: DurationMs): void {
    this.#delayMs = duration
  }

  /** From now on it does not answer. @param isFailing false: it does again @default true */
  fail(isFailing = true): void {
    this.#isFailing = isFailing
  }
}
