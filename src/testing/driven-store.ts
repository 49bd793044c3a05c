import { setImmediate as nextTurn } from 'node:timers/promises'
import type { DurationMs } from '../kernel/time.ts'
import { GivenSource, type StoreSource } from '../lookup/store-source.ts'
import type { StoreDefinition } from '../topology/definition.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** The rows of an online store in a test, and how it answers. */
export class DrivenStore {
  /** By key, as the schema takes them; also those that were written back. */
  readonly rows: Map<string, unknown>
  /** For the worker. */
  readonly source: StoreSource
  #delayMs = 0
  #isFailing = false

  /** @param rows by key, as the schema takes them @param clock of the driver, now */
  constructor(
    definition: StoreDefinition,
    rows: Readonly<Record<string, unknown>>,
    clock: () => VirtualClock,
  ) {
    const source = new GivenSource(definition, Object.entries(rows))
    const answer = async () => {
      if (this.#isFailing) throw new Error('the test has made it fail')
      const untilMs = clock().nowMs() + this.#delayMs
      // A turn first, in which the worker says how long it waits.
      for (let isDue = this.#delayMs > 0; isDue; isDue = clock().step(untilMs)) await nextTurn()
    }
    this.rows = source.rows
    this.source = {
      getMany: async (keys) => {
        await answer()
        return source.getMany(keys)
      },
      setMany: async (computed) => {
        await answer()
        await source.setMany(computed)
      },
    }
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
