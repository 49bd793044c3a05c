import { firstFrom } from '../../connect/log-records.ts'
import type { Guarantee, LogRecords } from '../../connect/port.ts'
import { ConditionVariable } from '../../kernel/condition-variable.ts'
import { type CheckpointMetadata, markOf, type TopologyCheckpoint } from './checkpoint-metadata.ts'
import {
  batchBetween,
  type OutputBatch,
  type SizedBatch,
  sized,
  sizesByCause,
  totalSize,
  type WriteSize,
} from './output-batch.ts'

// The chunks of a partition between log and commit. Results stay here until the commit that
// contains them is known to have succeeded, and are dropped when the partition is lost (rules C1,
// C3).

/** The most bytes that one partition may have in flight: more would not make a commit fuller. */
export const MOST_PARTITION_BYTES = 16 * 2 ** 20
/**
 * Guess of the memory that a record's results take, before any has been finished, bytes: with it,
 * only some thousand records are in flight.
 */
const FIRST_GUESS_BYTES = 16_000

/** Where a restart continues, and the state that it needs there. */
export interface RestartPoint extends Pick<CheckpointMetadata, 'lastRecord' | 'topologies'> {
  readonly nextOffset: number
}

export interface NewChunk {
  readonly nextOffset: number
  readonly records: LogRecords
  readonly bytes: number
  /** The last record before the end of the chunk; `null`: there has been none. */
  readonly lastRecord: RestartPoint['lastRecord']
  /** How many tasks must finish it. */
  readonly tasks: number
}

/** The part of a commit that one partition contributes. */
export interface CommitPart {
  readonly batches: readonly SizedBatch[]
  /** Where a restart continues after the commit; `null`: the commit advances no offset. */
  readonly upTo: RestartPoint | null
  /** Whether it is the result of a single record. */
  readonly isSmallest: boolean
  /** Whether there was room for everything that is finished. */
  readonly isAll: boolean
  readonly from: readonly { readonly chunk: ChunkInFlight; readonly cut: Cut }[]
}

/** How much of a chunk: its first batches, and of later ones the results of records before an offset. */
interface Cut {
  readonly batches: number
  readonly before: number
}

const ALL: Cut = { batches: Number.POSITIVE_INFINITY, before: Number.POSITIVE_INFINITY }

/**
 * The chunks in flight of one partition. A commit takes whole chunks, or a chunk up to a record; it
 * then commits that record's offset. Under at-least-once, batches of a chunk may also be written as
 * they are made, before the chunk is finished and without an offset. Under exactly-once they wait
 * for the end of the chunk: after a crash between them and their offset they would be written
 * again.
 */
export class InFlight {
  readonly #isWhole: boolean
  /** In log order. */
  readonly #chunks: ChunkInFlight[] = []
  readonly #changed = new ConditionVariable()
  /** Size in memory of the last finished chunk's results, per record. */
  #bytesPerRecord = FIRST_GUESS_BYTES
  /** Size in memory, with the results that are still expected. */
  bytes = 0
  #isDropped = false

  constructor(guarantee: Guarantee) {
    this.#isWhole = guarantee === 'exactly-once'
  }

  get isEmpty(): boolean {
    return this.#chunks.length === 0
  }

  /** Whether there is nothing to commit until the first chunk has produced more. */
  get isBlocked(): boolean {
    const [first] = this.#chunks
    return first !== undefined && !first.isDone && (this.#isWhole || first.batches.length === 0)
  }

  add(chunk: NewChunk): ChunkInFlight {
    // A record that closed many windows says little about the next ones.
    const expectedBytes = Math.min(
      Math.ceil(chunk.records.length * this.#bytesPerRecord),
      MOST_PARTITION_BYTES,
    )
    const added = new ChunkInFlight(chunk, expectedBytes, this)
    this.#chunks.push(added)
    this.weigh(added)
    return added
  }

  /** Called when the size of a chunk has changed. */
  weigh(chunk: ChunkInFlight): void {
    const { bytes } = chunk
    this.bytes += bytes - chunk.weighed
    chunk.weighed = bytes
    if (chunk.isDone) this.#bytesPerRecord = chunk.bytesPerRecord ?? this.#bytesPerRecord
  }

  /** Resolves when at most `most` batches wait before and in a chunk that could be written already. */
  room(chunk: ChunkInFlight, most: number): Promise<void> {
    return this.#changed.until(() => this.#isDropped || this.#waiting(chunk) <= most)
  }

  /**
   * Gathers the finished results, in log order, as far as there is room.
   * @param atLeast take the results of this many records in any case
   */
  gather(room: WriteSize, atLeast: 0 | 1): CommitPart {
    const left = { ...room }
    const from: { chunk: ChunkInFlight; cut: Cut }[] = []
    let upTo: RestartPoint | null = null
    let [isSmallest, isAll] = [false, true]
    for (const chunk of this.#chunks) {
      const { bytes, records } = totalSize(chunk.batches)
      if (chunk.isDone && bytes <= left.bytes && records <= left.records) {
        from.push({ chunk, cut: ALL })
        upTo = chunk.end
        left.bytes -= bytes
        left.records -= records
        continue
      }
      // Chunks after one that is only taken in part have to wait.
      if (chunk.isDone) {
        const { before, causes } = chunk.offsetFor(left, from.length === 0 ? atLeast : 0)
        isAll = false
        if (causes === 0) break
        isSmallest = from.length === 0 && causes === 1
        const isEnd = before === chunk.nextOffset
        from.push({ chunk, cut: isEnd ? ALL : { batches: 0, before } })
        upTo = isEnd ? chunk.end : chunk.at(before)
      } else if (!this.#isWhole) {
        const batches = Math.max(chunk.batchesFor(left), from.length === 0 ? atLeast : 0)
        isAll = batches >= chunk.batches.length
        if (chunk.batches.length === 0 || batches === 0) break
        from.push({ chunk, cut: { batches, before: Number.NEGATIVE_INFINITY } })
      }
      break
    }
    const batches = from.flatMap(({ chunk, cut }) => chunk.part(cut))
    return { batches, upTo, isSmallest, isAll, from }
  }

  committed({ from }: CommitPart): void {
    for (const { chunk, cut } of from) chunk.committed(cut)
    const ended = from.filter(({ cut }) => cut === ALL).length
    for (const chunk of this.#chunks.splice(0, ended)) this.bytes -= chunk.bytes
    this.#changed.notifyAll()
  }

  /** Nothing will be committed any more; ends all waits for that. */
  drop(): void {
    this.#isDropped = true
    this.#changed.notifyAll()
  }

  /**
   * Batches that a commit could take although the chunk is not finished: its own, or under
   * exactly-once those of earlier chunks.
   */
  #waiting(chunk: ChunkInFlight): number {
    if (!this.#isWhole) return chunk.batches.length
    const before = this.#chunks.slice(0, this.#chunks.indexOf(chunk))
    return before.reduce((sum, { batches }) => sum + batches.length, 0)
  }
}

/** A chunk in flight. Its offset may be committed once every task is done with it. */
export class ChunkInFlight {
  readonly nextOffset: number
  readonly #chunk: NewChunk
  readonly #expectedBytes: number
  readonly #partition: InFlight
  #batches: SizedBatch[] = []
  /** By topology name, for a restart at its first record. */
  readonly #begin = new Map<string, TopologyCheckpoint>()
  /** By topology name, for a restart at its end. */
  readonly #end = new Map<string, TopologyCheckpoint>()
  #tasks: number
  /** Size in memory of everything that it has ever produced. */
  #madeBytes = 0
  /** Its size as it counts in that of its partition. */
  weighed = 0

  constructor(chunk: NewChunk, expectedBytes: number, partition: InFlight) {
    this.nextOffset = chunk.nextOffset
    this.#chunk = chunk
    this.#expectedBytes = expectedBytes
    this.#partition = partition
    this.#tasks = chunk.tasks
  }

  get isDone(): boolean {
    return this.#tasks === 0
  }

  /** Batches that are not committed yet. */
  get batches(): readonly SizedBatch[] {
    return this.#batches
  }

  /** Size in memory, with the results that it is still expected to produce. */
  get bytes(): number {
    const made = this.#batches.reduce((sum, batch) => sum + batch.memoryBytes, 0)
    const expected = this.isDone ? 0 : this.#expectedBytes - this.#madeBytes
    return this.#chunk.bytes + made + Math.max(0, expected)
  }

  /** Size in memory of all its results, per record; `null`: it has no records. */
  get bytesPerRecord(): number | null {
    const { length } = this.#chunk.records
    return length === 0 ? null : this.#madeBytes / length
  }

  begin(topology: string, checkpoint: TopologyCheckpoint): void {
    this.#begin.set(topology, checkpoint)
  }

  add(batch: OutputBatch): void {
    const added = sized(batch)
    this.#batches.push(added)
    this.#madeBytes += added.memoryBytes
    this.#partition.weigh(this)
  }

  done(topology: string, checkpoint: TopologyCheckpoint): void {
    this.#end.set(topology, checkpoint)
    this.#tasks--
    this.#partition.weigh(this)
  }

  /** Resolves when at most `most` batches wait that could be written already. */
  room(most: number): Promise<void> {
    return this.#partition.room(this, most)
  }

  /** Where a restart continues once all of it is committed. */
  get end(): RestartPoint {
    const { nextOffset, lastRecord } = this.#chunk
    return { nextOffset, lastRecord, topologies: this.#end }
  }

  /**
   * Where a restart continues once the results of records before an offset are committed. Its
   * replay begins as for the first record of the chunk.
   */
  at(offset: number): RestartPoint {
    const { records } = this.#chunk
    const before = firstFrom(records, offset)
    const lastRecord = before === 0 ? null : markOf(records.at(before - 1))
    return { nextOffset: offset, lastRecord, topologies: this.#begin }
  }

  /** How many batches, from the first, there is room for. */
  batchesFor(room: WriteSize): number {
    const left = { ...room }
    const count = this.#batches.findIndex(({ bytes, records }) => {
      left.bytes -= bytes
      left.records -= records
      return left.bytes < 0 || left.records < 0
    })
    return count < 0 ? this.#batches.length : count
  }

  /**
   * How much there is room for if results of one record stay together: up to the first record whose
   * results do not fit, and how many records before it have some.
   * @param atLeast as {@link InFlight.gather} has it
   */
  offsetFor(room: WriteSize, atLeast: 0 | 1): { readonly before: number; readonly causes: number } {
    const left = { ...room }
    let causes = 0
    for (const [before, { bytes, records }] of this.#sizesByCause()) {
      left.bytes -= bytes
      left.records -= records
      if (causes >= atLeast && (left.bytes < 0 || left.records < 0)) return { before, causes }
      causes++
    }
    return { before: this.nextOffset, causes }
  }

  part({ batches, before }: Cut): SizedBatch[] {
    const whole = this.#batches.slice(0, batches)
    if (before === Number.NEGATIVE_INFINITY) return whole
    const cut = this.#batches.slice(batches)
    return [...whole, ...cut.map((batch) => batchBetween(batch, 0, before))]
  }

  committed({ batches, before }: Cut): void {
    for (const { outputs, deadLetters } of this.#batches.slice(0, batches)) {
      outputs.records.free()
      deadLetters.records.free()
    }
    this.#batches = this.#batches.slice(batches)
    if (before !== Number.NEGATIVE_INFINITY) {
      this.#batches = this.#batches.map((batch) =>
        batchBetween(batch, before, Number.POSITIVE_INFINITY),
      )
    }
    this.#partition.weigh(this)
  }

  /** Size of the results of each record, by its offset, in log order. */
  #sizesByCause(): [cause: number, WriteSize][] {
    const sizes = new Map<number, WriteSize>()
    for (const [cause, size] of this.#batches.flatMap(sizesByCause)) {
      const before = sizes.get(cause)
      sizes.set(cause, before === undefined ? size : totalSize([before, size]))
    }
    return [...sizes].sort(([a], [b]) => a - b)
  }
}
