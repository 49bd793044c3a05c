import type { Format, RawRecords } from '../formats/format.ts'
import type { TopicPartition } from '../records/port.ts'
import { Patience } from './patience.ts'
import type { PreparedTopology } from './prepare.ts'
import type { TaskSurroundings } from './task-surroundings.ts'

const WAITS = { firstMs: 250, lastMs: 5_000 }

/**
 * Prepares the records of one partition for decoding. A schema registry that does not answer is
 * asked until it does: the partition waits meanwhile, and none of its records are set aside.
 */
export class PatientFormat {
  readonly #format: Format
  readonly #tell: (reason: string | null) => void
  readonly #patience: Patience

  constructor(
    { definition, format }: PreparedTopology,
    partition: TopicPartition,
    around: TaskSurroundings,
  ) {
    this.#format = format
    this.#patience = new Patience(around)
    this.#tell = (reason) =>
      around.observer({ type: 'schema-missing', topology: definition.name, partition, reason })
  }

  /**
   * @returns `null`: there is nothing to wait for; else resolves when the records can be decoded,
   * or the partition is lost
   */
  prepare(records: RawRecords): Promise<void> | null {
    let preparing = this.#format.prepare(records)
    if (preparing === null) return null
    const attempt = async () => {
      const current = preparing ?? this.#format.prepare(records)
      preparing = null
      await current
    }
    const passes = ({ action }: { action: string }) => action === 'retry'
    const trying = this.#patience.until(attempt, { waits: WAITS, passes, tell: this.#tell })
    return trying.then(() => undefined)
  }

  get isHeldUp(): boolean {
    return this.#patience.isHeldUp
  }

  /** The partition is lost. */
  stop(): void {
    this.#patience.stop()
  }
}
