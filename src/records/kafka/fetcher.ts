import { setTimeout as sleep } from 'node:timers/promises'
import { Changes } from '../../kernel/changes.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { position } from '../../kernel/ids.ts'
import { partitionName } from '../partition-name.ts'
import type { TopicPartition } from '../port.ts'
import type { Brokers } from './brokers.ts'
import { decodeRecords } from './codec/decode.ts'
import type { FetchedRecords } from './codec/fetched-records.ts'
import { topicsOf } from './wire/by-topic.ts'
import { CODE, hasMoved, nameOfCode } from './wire/codes.ts'
import { type FetchedPartition, type FetchOptions, fetch } from './wire/fetch.ts'

// Records from the partitions' leaders. For each broker one fetch is on its way, and the next is sent before what came with the
// last is handed over, so that the broker reads while this process works.

/** A partition that is read, and how far. */
export interface Fetchable extends TopicPartition {
  nextOffset: number
  /** The end that was last told. */
  reportedEnd: number
}

/** What came of a partition. */
export interface Fetched {
  readonly records: FetchedRecords
  /** End of the partition (high watermark). */
  readonly endOffset: number
}

export interface FetcherOptions {
  readonly brokers: Brokers
  /** The partitions that are to be read now; others get nothing but what is on its way already. */
  readonly wanted: () => Iterable<Fetchable>
  /** Is it still wanted? What came meanwhile for one that is not is of no use. */
  readonly isCurrent: (of: Fetchable) => boolean
  /** Also without a record, when markers or aborted records moved the position. */
  readonly fetched: (of: Fetchable, fetched: Fetched) => void
  readonly failed: (error: TidemarkError) => void
}

const LIMITS: FetchOptions = {
  minBytes: 1,
  // A partition that is resumed, or given to this member, waits so long at most for the fetch on its way.
  maxWaitMs: 100,
  maxBytes: 4_194_304,
  maxPartitionBytes: 1_048_576,
}
/** After an answer smaller than this the next fetch waits a little: under light traffic every event would be a fetch of its own. */
const SMALL_BYTES = 32_768
const LINGER_MS = 3
const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 2_000
/** A topic that no broker knows for so long is gone, ms. */
const GONE_MS = 5_000

export class Fetcher {
  readonly #o: FetcherOptions
  readonly #changes = new Changes()
  readonly #loops = new Map<string, Promise<void>>()
  /** How often each partition has been fetched, so that those that wait longest come first. */
  #turn = 0
  #isOver = false
  #unknownSinceMs: number | null = null

  constructor(options: FetcherOptions) {
    this.#o = options
  }

  /** What is wanted may have changed. */
  wake(): void {
    if (this.#isOver) return
    for (const of of this.#o.wanted()) {
      const leader = this.#o.brokers.leaderOf(of)
      if (leader !== undefined && !this.#loops.has(leader)) this.#start(leader)
    }
    this.#changes.tell()
  }

  /** Hands nothing over any more. */
  stop(): void {
    this.#isOver = true
    this.#changes.tell()
  }

  #start(leader: string): void {
    const loop = this.#run(leader).catch((error: unknown) => {
      this.stop()
      this.#o.failed(
        error instanceof TidemarkError
          ? error
          : new TidemarkError('INVARIANT', String(error), { cause: error }),
      )
    })
    this.#loops.set(leader, loop)
  }

  async #run(leader: string): Promise<void> {
    let failures = 0
    let next: Promise<Answer> | null = null
    while (!this.#isOver) {
      next ??= this.#ask(leader)
      const answer: Answer = await next
      next = null
      if (this.#isOver) return
      if (answer.asked.length === 0) {
        await this.#changes.until(() => this.#isOver || this.#wantedOf(leader).length > 0)
        continue
      }
      const { got, bytes, problem } = this.#take(answer)
      if (problem === null) {
        failures = 0
        if (bytes >= SMALL_BYTES) next = this.#ask(leader)
      }
      for (const [of, fetched] of got) {
        if (!this.#isOver && this.#o.isCurrent(of)) this.#o.fetched(of, fetched)
      }
      if (problem !== null) await this.#recover(problem, failures++)
      else if (next === null) await sleep(LINGER_MS)
    }
    // Its rejection, if any, has nobody to go to.
    await next?.catch(() => {})
  }

  #wantedOf(leader: string): Fetchable[] {
    return [...this.#o.wanted()].filter((of) => this.#o.brokers.leaderOf(of) === leader)
  }

  async #ask(leader: string): Promise<Answer> {
    const wanted = this.#wantedOf(leader)
    // A broker fills partitions in the order in which they are asked for, up to the limit of the whole answer.
    const first = wanted.length === 0 ? 0 : this.#turn++ % wanted.length
    const asked = [...wanted.slice(first), ...wanted.slice(0, first)].map((of) => ({
      of,
      offset: of.nextOffset,
    }))
    if (asked.length === 0) return { asked, partitions: [], problem: null }
    const topics = topicsOf(
      asked.map(({ of: { topic, partition }, offset }) => ({ topic, partition, offset })),
    )
    try {
      const { code, topics: answered } = await this.#o.brokers.ask(leader, fetch(topics, LIMITS))
      const partitions = answered.flatMap(({ topic, partitions: list }) =>
        list.map((p) => ({ ...p, topic })),
      )
      return { asked, partitions, problem: code === CODE.NONE ? null : unavailable(code) }
    } catch (error) {
      return { asked, partitions: [], problem: error as TidemarkError }
    }
  }

  /** Moves positions on. @throws TidemarkError for what cannot be recovered from */
  #take({ asked, partitions, problem }: Answer): Taken {
    const by = new Map(asked.map((one) => [partitionName(one.of), one]))
    const got: [Fetchable, Fetched][] = []
    let bytes = 0
    let hindrance = problem
    for (const partition of partitions) {
      const one = by.get(partitionName(partition))
      // It was lost, or set to another place, since it was asked for.
      if (one === undefined || !this.#o.isCurrent(one.of) || one.of.nextOffset !== one.offset) {
        continue
      }
      if (partition.code !== CODE.NONE) {
        hindrance ??= hindranceOf(partition, one.of)
        continue
      }
      bytes += partition.set.length
      const fetched = this.#decode(one.of, partition)
      if (fetched !== null) got.push([one.of, fetched])
    }
    if (hindrance === null) this.#unknownSinceMs = null
    return { got, bytes, problem: hindrance }
  }

  #decode(of: Fetchable, { set, aborted, highWatermark }: FetchedPartition): Fetched | null {
    const partition = partitionName(of)
    const records = decodeRecords(set, { partition, fromOffset: of.nextOffset, aborted })
    const hasMovedOn = records.nextOffset > of.nextOffset
    of.nextOffset = records.nextOffset
    const isAtEnd = of.nextOffset >= highWatermark && of.reportedEnd !== highWatermark
    if (!hasMovedOn && !isAtEnd) return null
    if (of.nextOffset >= highWatermark) of.reportedEnd = highWatermark
    return { records, endOffset: highWatermark }
  }

  async #recover(problem: TidemarkError, failures: number): Promise<void> {
    if (problem.code === 'TOPIC_MISSING') {
      this.#unknownSinceMs ??= performance.now()
      if (performance.now() - this.#unknownSinceMs > GONE_MS) throw problem
    } else if (problem.code !== 'BROKER_UNAVAILABLE') throw problem
    await sleep(Math.min(FIRST_RETRY_MS * 2 ** failures, LAST_RETRY_MS))
    if (this.#isOver) return
    try {
      await this.#o.brokers.refresh()
    } catch {
      // Asked again after the next failure.
    }
    // Partitions may have gone to brokers that have not been asked yet.
    this.wake()
  }
}

interface Answer {
  readonly asked: readonly { readonly of: Fetchable; readonly offset: number }[]
  readonly partitions: readonly (FetchedPartition & { readonly topic: string })[]
  readonly problem: TidemarkError | null
}

interface Taken {
  readonly got: readonly [Fetchable, Fetched][]
  readonly bytes: number
  readonly problem: TidemarkError | null
}

/** @throws TidemarkError for what cannot be recovered from */
function hindranceOf({ code, lowOffset }: FetchedPartition, of: Fetchable): TidemarkError {
  const { topic, partition, nextOffset } = of
  const where = position(topic, partition, nextOffset)
  if (code === CODE.OFFSET_OUT_OF_RANGE) {
    throw new TidemarkError(
      'OFFSET_OUT_OF_RANGE',
      `records were deleted from the log before they were read${lowOffset < 0 ? '' : `: it holds ${lowOffset} and later ones`}`,
      {
        where,
        hint: "keep records longer (retention.ms, retention.bytes), then set the group's offset into the log",
      },
    )
  }
  if (code === CODE.TOPIC_AUTHORIZATION_FAILED) {
    throw new TidemarkError('AUTHENTICATION', 'the topic may not be read', {
      where,
      hint: 'the user lacks a right (ACL) on the topic, the group or the cluster',
    })
  }
  if (code === CODE.UNKNOWN_TOPIC_OR_PARTITION) {
    return new TidemarkError('TOPIC_MISSING', `topic "${topic}" is not there any more`, {
      where,
      hint: 'was it deleted?',
    })
  }
  if (hasMoved(code)) return unavailable(code)
  throw new TidemarkError('GROUP_FAILED', `fetching is answered with ${nameOfCode(code)}`, {
    where,
  })
}

function unavailable(code: number): TidemarkError {
  return new TidemarkError('BROKER_UNAVAILABLE', `fetching is answered with ${nameOfCode(code)}`)
}
