import type { Chunk } from '../../records/port.ts'
import { SIDES, type Side } from './pairs.ts'

/**
 * Chunks of two topics, at each step one of the topic that is further behind by the timestamps of
 * its records: an output has its event's, so both outputs of an event come at about the same time.
 */
export async function* inStep(
  readers: Readonly<Record<Side, AsyncIterable<Chunk>>>,
): AsyncGenerator<{ side: Side; chunk: Chunk }> {
  const open = new Map(SIDES.map((side) => [side, new Ahead(readers[side])] as const))
  while (open.size > 0) {
    const [side, ahead] = [...open].reduce((a, b) => (b[1].atMs < a[1].atMs ? b : a))
    const chunk = await ahead.take()
    if (chunk === null) open.delete(side)
    else yield { side, chunk }
  }
}

/** A topic that is read a chunk ahead. */
class Ahead {
  readonly #chunks: AsyncIterator<Chunk>
  #next: Promise<IteratorResult<Chunk>>
  /** Timestamp of the last record that was taken. */
  atMs = Number.NEGATIVE_INFINITY

  constructor(chunks: AsyncIterable<Chunk>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
    this.#next = this.#ask()
  }

  /** `null`: it has been read. */
  async take(): Promise<Chunk | null> {
    const { done, value } = await this.#next
    if (done === true) return null
    this.#next = this.#ask()
    const { records } = value
    if (records.length > 0) this.atMs = records.timestampMsAt(records.length - 1)
    return value
  }

  #ask(): Promise<IteratorResult<Chunk>> {
    const next = this.#chunks.next()
    // It is thrown where the chunk is taken.
    next.catch(() => {})
    return next
  }
}
