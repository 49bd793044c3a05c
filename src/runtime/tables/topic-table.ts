import type { Chunk, Followed, LogRecords, Topics } from '../../connect/port.ts'
import { ConditionVariable } from '../../kernel/condition-variable.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { Backoff } from '../../kernel/random.ts'
import { Retrier } from '../../kernel/retrier.ts'
import { inTurns } from '../../kernel/slices.ts'
import type { RecordRows } from '../../lookup/record-rows.ts'
import type { LoadedTable } from '../../lookup/table.ts'
import type { WorkerContext } from '../context.ts'
import type { RowFormat } from '../prepared.ts'
import { TopicReading } from './topic-reading.ts'

const READ_WAITS = { firstMs: 500, lastMs: 10_000 }
const SCHEMA_WAITS = { firstMs: 250, lastMs: 2_000 }
const LOADING_EVERY_MS = 1_000

interface TableContext extends WorkerContext {
  readonly records: { readonly topics: Pick<Topics, 'follow'> }
}

/**
 * Keeps a table like its topic. While the topic cannot be read, the table stays as it is. Where
 * records were deleted unread, the whole topic is read again, and then replaces the table.
 */
export class TopicTable {
  readonly table: LoadedTable
  readonly #format: RowFormat
  readonly #context: TableContext
  readonly #retrier: Retrier
  readonly #over = new AbortController()
  readonly #changed = new ConditionVariable()
  #reading: TopicReading
  #followed: Followed | null = null
  /** Whether the table has the rows of the current reading. */
  #isLive = false
  /** Versions that only events before this would see are dropped, ms. */
  #oldestMs = Number.NEGATIVE_INFINITY
  #isHeldUp = false
  #beganMs = 0
  #toldMs = Number.NEGATIVE_INFINITY

  constructor(table: LoadedTable, format: RowFormat, context: TableContext) {
    this.table = table
    this.#format = format
    this.#context = context
    this.#retrier = new Retrier(context)
    this.#reading = this.#begin()
  }

  /** Resolves when the topic was read whole, also when it is read again. */
  get loaded(): Promise<void> {
    return this.#changed.until(() => this.#isLive)
  }

  /** @throws TidemarkError `TABLE_LIMIT`, or why the topic can never be read */
  async run(): Promise<void> {
    const backoff = new Backoff(READ_WAITS, this.#context.random)
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
    if (oldestMs >= this.#oldestMs) return this.forget(oldestMs)
    this.#oldestMs = oldestMs
    this.#readAgain()
  }

  /** Drops the versions that only events before `oldestMs` would see. */
  forget(oldestMs: number): void {
    if (oldestMs <= this.#oldestMs) return
    this.#oldestMs = oldestMs
    void this.#drop(this.#reading.rows)
  }

  stop(): void {
    this.#over.abort()
    this.#retrier.stop()
    void this.#followed?.close()
  }

  #readAgain(): void {
    this.#isLive = false
    this.#reading = this.#begin()
    void this.#followed?.close()
  }

  #begin(): TopicReading {
    this.#beganMs = this.#context.clock.elapsedMs()
    const { label: table } = this.table
    const reading = new TopicReading(this.table, (at, { code, message }) =>
      this.#context.observer({ type: 'table-row-invalid', table, at, code, message }),
    )
    void this.#drop(reading.rows)
    return reading
  }

  async #drop(rows: RecordRows): Promise<void> {
    for (const _ of rows.forget(this.#oldestMs)) await this.#context.slices.turn()
  }

  async #follow(backoff: Backoff): Promise<void> {
    const reading = this.#reading
    const topic = this.table.definition.from.topic as string
    const followed = await this.#context.records.topics.follow({
      topic,
      from: reading.positions,
      unreadable: ([first]) => this.#holdUp(first?.reason ?? null),
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

  #isOver(reading: TopicReading): boolean {
    return this.#over.signal.aborted || reading !== this.#reading
  }

  async #apply(reading: TopicReading, chunk: Chunk): Promise<void> {
    const { records } = chunk
    const { slices } = this.#context
    await this.#prepare(records)
    if (this.#over.signal.aborted) return
    const decoded = await inTurns(this.#format.decode({ from: chunk, records }, slices), slices)
    for (const _ of reading.apply(chunk, decoded, slices)) {
      if (this.#isLive) this.table.changed(reading.contents)
      await slices.turn()
    }
    slices.use(records.length)
  }

  /**
   * Waits for the schemas that the records refer to, however long: a row that was left out because
   * its schema was late would be there after the next start.
   */
  async #prepare(records: LogRecords): Promise<void> {
    const how = { clock: this.#context.clock, mayGiveUp: false }
    const attempt = () => this.#format.prepare(records, how)
    const begun = attempt()
    if (begun === null) return
    await this.#retrier.until({
      attempt,
      begun,
      waits: SCHEMA_WAITS,
      tell: (reason) => this.#holdUp(reason),
    })
  }

  #advance(reading: TopicReading, records: number): void {
    const { label: table } = this.table
    const { observer, clock } = this.#context
    if (!this.#isLive && reading.isWhole) {
      this.#isLive = true
      reading.rows.endLoad()
      this.table.replace(reading.rows)
      this.#changed.notifyAll()
      const durationMs = clock.elapsedMs() - this.#beganMs
      observer({ type: 'table-loaded', table, rows: reading.rows.size, durationMs })
    }
    if (this.#isLive) this.table.changed(reading.contents)
    else this.#loads(reading)
    const { size: rows, bytes } = reading.rows
    observer({ type: 'table-read', table, records, rows, bytes, lag: reading.lag })
  }

  #loads(reading: TopicReading): void {
    this.table.checkRoom(reading.rows)
    const { observer, clock } = this.#context
    const nowMs = clock.elapsedMs()
    if (nowMs - this.#toldMs < LOADING_EVERY_MS) return
    this.#toldMs = nowMs
    const { read: records, total } = reading
    observer({ type: 'table-loading', table: this.table.label, records, total })
  }

  async #recover(error: unknown, backoff: Backoff): Promise<void> {
    if (!(error instanceof TidemarkError)) throw error
    if (error.code === 'OFFSET_OUT_OF_RANGE') return this.#readAgain()
    if (error.action !== 'retry') throw this.#named(error)
    this.#holdUp(error.message)
    await this.#context.clock.sleep(backoff.nextMs(), this.#over.signal)
  }

  #named(error: TidemarkError): TidemarkError {
    if (error.code === 'TABLE_LIMIT') return error
    const { message, where, hint, action } = error
    const fault = `table "${this.table.name}": ${message}`
    // The error of one record must not end a worker with the code of a dead letter.
    const code = action === 'dead-letter' ? 'TABLE_INVALID' : error.code
    return new TidemarkError(code, fault, { where, hint })
  }

  /** @param reason why the topic cannot be read now; `null`: it can */
  #holdUp(reason: string | null): void {
    if (reason === null && !this.#isHeldUp) return
    this.#isHeldUp = reason !== null
    const { label: table } = this.table
    this.#context.observer({ type: 'trouble', kind: 'table', table, reason })
  }
}
