import { stat } from 'node:fs/promises'
import type { TidemarkError } from '../../kernel/errors.ts'
import type { LoadedTable } from '../../lookup/table.ts'
import { readTableFile } from '../../lookup/table-file.ts'
import type { WorkerContext } from '../context.ts'

const LOOK_EVERY_MS = 2_000

/** Reads the file of a table again when it changes. An invalid file leaves the table as it is. */
export class FileTable {
  readonly #table: LoadedTable
  readonly #observer: WorkerContext['observer']
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> = Promise.resolve()
  /** Identifies the file that was read last. */
  #stamp: string | null = null
  #isHeldUp = false

  constructor(table: LoadedTable, { observer }: Pick<WorkerContext, 'observer'>) {
    this.#table = table
    this.#observer = observer
  }

  start(): void {
    this.#tell(0)
    this.#timer = setInterval(() => {
      this.#looking = this.#looking.then(() => this.#look())
    }, LOOK_EVERY_MS)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #look(): Promise<void> {
    // The stamp is taken before the file is read: a change during the reading is noticed next time.
    const stamp = await stampOf(this.#table.definition.from.file as URL)
    if (stamp === this.#stamp) return
    this.#stamp = stamp
    const faults = await readTableFile(this.#table)
    const [fault, ...others] = faults ?? []
    if (fault !== undefined) {
      this.#holdUp(fault, others.length)
      return
    }
    const { label: table, size: rows, contents } = this.#table
    if (this.#isHeldUp) this.#observer({ type: 'trouble', kind: 'table', table, reason: null })
    this.#isHeldUp = false
    if (faults === null) return
    this.#observer({ type: 'table-reloaded', table, rows, contents })
    this.#tell(rows)
  }

  #holdUp({ message, where }: TidemarkError, others: number): void {
    this.#isHeldUp = true
    const place = where === undefined ? '' : ` (${where})`
    const more = others > 0 ? `, and ${others} more faults` : ''
    const { label: table } = this.#table
    const reason = `${message}${place}${more}`
    this.#observer({ type: 'trouble', kind: 'table', table, reason })
  }

  #tell(records: number): void {
    const { label: table, size: rows, bytes } = this.#table
    this.#observer({ type: 'table-read', table, records, rows, bytes, lag: 0 })
  }
}

/** Changes when a file does, or when another takes its place. */
async function stampOf(file: URL): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(file)
    return `${ino} ${size} ${mtimeMs}`
  } catch {
    return 'missing'
  }
}
