import { ConditionVariable } from '../kernel/condition-variable.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { Backoff } from '../kernel/random.ts'
import { Retrier } from '../kernel/retrier.ts'
import type { Slices } from '../kernel/slices.ts'
import type { RecordRows } from '../lookup/record-rows.ts'
import type { LoadedTable } from '../lookup/table.ts'
import type { Chunk, Followed, LogRecords, Records, Unreadable } from '../records/port.ts'
import type { WorkerContext } from './context.ts'
import type { TableFormat } from './table-format.ts'
import { TopicReading } from './topic-reading.ts'

/** Between two attempts to read the topic. */
const RETRY = { firstMs: 500, lastMs: 10_000 }
/** Between two attempts to get a schema from the schema registry. */
const SCHEMA_WAITS = { firstMs: 250, lastMs: 2_000 }
/** How often progress is reported while the table is read, ms. */
const PROGRESS_EVERY_MS = 1_000

interface Following extends WorkerContext {
  readonly records: Pick<Records, 'follow'>
}

/**
 * Keeps a table like its topic. While the topic cannot be read, the table stays as it is. Where
 * records were deleted before they were read, all of it is read again, and replaces the table once
 * it is whole.
 */
export class TopicTable {
  readonly #table: LoadedTable
  readonly #format: TableFormat
  readonly #around: Following
  readonly #slices: Slices
  readonly #patience: Retrier
  readonly #over = new AbortController()
  readonly #changed = new ConditionVariable()
  #reading: TopicReading
  #followed: Followed | null = null
  /** Does the table have the rows of the current reading? */
  #isLive = false
  #oldestMs = Number.NEGATIVE_INFINITY
  #isHeldUp = false
  #sinceMs: number
  #toldMs = Number.NEGATIVE_INFINITY

  constructor(table: LoadedTable, format: TableFormat, around: Following) {
    this.#table = table
    this.#format = format
    this.#around = around
    this.#slices = around.slices
    this.#patience = new Retrier(around)
    this.#sinceMs = around.clock.elapsedMs()
    this.#reading = this.#begin()
  }

  get table(): LoadedTable {
    return this.#table
  }

  /** Resolves when the topic was read whole; again, after it has to be read again. */
  get loaded(): Promise<void> {
    return this.#changed.until(() => this.#isLive)
  }

  /**
   * Reads the topic until it is told to stop.
   * @throws TidemarkError `TABLE_LIMIT`, or why the topic can never be read
   */
  async run(): Promise<void> {
    const backoff = new Backoff(RETRY, this.#around.random)
    while (!this.#over.signal.aborted) {
      try {
        await this.#follow(backoff)
      } catch (error) {
        if (this.#over.signal.aborted) return
        await this.#recover(error, backoff)
      }
    }
  }

  /**
   * The table must have every version that an event at or after `oldestMs` can see. If it has
   * dropped some of them, the topic is read again.
   */
  keepFrom(oldestMs: number): void {
    if (oldestMs >= this.#reading.rows.oldestMs) return this.forget(oldestMs)
    this.#oldestMs = oldestMs
    this.#readAgain()
  }

  /** No event before `oldestMs` can come any more: drops what only such events would see. */
  forget(oldestMs: number): void {
    if (oldestMs <= this.#oldestMs) return
    this.#oldestMs = oldestMs
    void this.#drop(this.#reading.rows)
  }

  async #drop(rows: RecordRows): Promise<void> {
    for (const _ of rows.forget(this.#oldestMs)) await this.#slices.turn()
  }

  #readAgain(): void {
    this.#isLive = false
    this.#sinceMs = this.#around.clock.elapsedMs()
    this.#reading = this.#begin()
    void this.#followed?.close()
  }

  /** Stops reading. */
  stop(): void {
    this.#over.abort()
    this.#patience.stop()
    void this.#followed?.close()
  }

  #begin(): TopicReading {
    const { label: table } = this.#table
    const reading = new TopicReading(this.#table, ({ at, error: { code, message } }) =>
      this.#around.observer({ type: 'table-row-invalid', table, at, code, message }),
    )
    void this.#drop(reading.rows)
    return reading
  }

  async #follow(backoff: Backoff): Promise<void> {
    const reading = this.#reading
    const topic = this.#table.definition.from.topic as string
    const followed = await this.#around.records.follow({
      topic,
      from: reading.positions,
      unreadable: (partitions) => this.#holdUp(reasonOf(partitions)),
    })
    this.#followed = followed
    if (this.#isOver(reading)) return followed.close()
    backoff.reset()
    this.#holdUp(null)
    reading.begin(followed.ranges)
    this.#advance(reading, 0)
    for await (const chunk of followed) {
      if (this.#isOver(reading)) return
      await this.#apply(reading, chunk)
      if (this.#isOver(reading)) return
      this.#advance(reading, chunk.records.length)
    }
  }

  /** Is it told to stop, or is the topic read once more instead? */
  #isOver(reading: TopicReading): boolean {
    return this.#over.signal.aborted || reading !== this.#reading
  }

  async #apply(reading: TopicReading, chunk: Chunk): Promise<void> {
    const { records } = chunk
    const slices = this.#slices
    await this.#prepare(records)
    if (this.#over.signal.aborted) return
    const decoding = this.#format.decode({ from: chunk, records }, slices)
    let step = decoding.next()
    while (step.done !== true) {
      await slices.turn()
      step = decoding.next()
    }
    for (const _ of reading.apply(chunk, step.value, slices)) {
      if (this.#isLive) this.#table.changed(reading.contents)
      await slices.turn()
    }
    slices.use(records.length)
  }

  /**
   * Waits for the schemas that the records refer to, however long: a row that was left out because
   * its schema was late would be there after the next start.
   */
  async #prepare(records: LogRecords): Promise<void> {
    const how = { clock: this.#around.clock, mayGiveUp: false }
    let first = this.#format.prepare(records, how)
    if (first === null) return
    const attempt = async () => {
      const current = first ?? this.#format.prepare(records, how)
      first = null
      await current
    }
    await this.#patience.until(attempt, {
      waits: SCHEMA_WAITS,
      passes: ({ action }) => action === 'retry',
      tell: (reason) => this.#holdUp(reason),
    })
  }

  /** The reading has come further by some records. */
  #advance(reading: TopicReading, records: number): void {
    const { label: table } = this.#table
    const { observer, clock } = this.#around
    if (!this.#isLive && reading.isWhole) {
      this.#isLive = true
      reading.rows.settle()
      this.#table.replace(reading.rows)
      this.#changed.notifyAll()
      const durationMs = clock.elapsedMs() - this.#sinceMs
      observer({ type: 'table-loaded', table, rows: reading.rows.size, durationMs })
    }
    if (this.#isLive) this.#table.changed(reading.contents)
    else this.#loads(reading)
    const { size: rows, bytes } = reading.rows
    observer({ type: 'table-read', table, records, rows, bytes, lag: reading.lag })
  }

  #loads(reading: TopicReading): void {
    this.#table.checkRoom(reading.rows)
    const { observer, clock } = this.#around
    const nowMs = clock.elapsedMs()
    if (nowMs - this.#toldMs < PROGRESS_EVERY_MS) return
    this.#toldMs = nowMs
    const { read: records, total } = reading
    observer({ type: 'table-loading', table: this.#table.label, records, total })
  }

  async #recover(error: unknown, backoff: Backoff): Promise<void> {
    if (!(error instanceof TidemarkError)) throw error
    if (error.code === 'OFFSET_OUT_OF_RANGE') {
      this.#readAgain()
      return
    }
    if (error.action !== 'retry') throw this.#named(error)
    this.#holdUp(error.message)
    await this.#around.clock.sleep(backoff.nextMs(), this.#over.signal)
  }

  /** The error, with the table that it is about. */
  #named(error: TidemarkError): TidemarkError {
    const { code, message, where, hint, action } = error
    if (code === 'TABLE_LIMIT') return error
    const what = `table "${this.#table.name}": ${message}`
    const details = { ...(where && { where }), ...(hint && { hint }) }
    // What sets aside one record cannot end a worker.
    return new TidemarkError(action === 'dead-letter' ? 'TABLE_INVALID' : code, what, details)
  }

  /** @param reason why the topic cannot be read now; `null`: it can */
  #holdUp(reason: string | null): void {
    if (reason === null && !this.#isHeldUp) return
    this.#isHeldUp = reason !== null
    this.#around.observer({ type: 'table-held-up', table: this.#table.label, reason })
  }
}

function reasonOf([first]: readonly Unreadable[]): string | null {
  return first?.reason ?? null
}
