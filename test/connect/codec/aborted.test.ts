import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runs } from '../../support/runs.ts'
import { naiveBatch, naiveMarker, TRANSACTIONAL } from './naive-batch.ts'
import { decode } from './support.ts'

/** The next action of a producer. Producer 0 uses no transactions. */
interface Step {
  readonly producer: number
  readonly does: 'write' | 'commit' | 'abort'
  readonly records: number
}

const step: fc.Arbitrary<Step> = fc.record({
  producer: fc.integer({ min: 0, max: 3 }),
  does: fc.constantFrom('write', 'write', 'write', 'commit', 'abort'),
  records: fc.integer({ min: 1, max: 3 }),
})

/** A log as it stands after some steps, and what of it is committed. */
class NaiveLog {
  readonly batches: { bytes: Buffer; firstOffset: number; lastOffset: number }[] = []
  readonly aborted: { producerId: number; firstOffset: number; lastOffset: number }[] = []
  readonly committed: number[] = []
  end = 0
  readonly #open = new Map<number, number[]>()

  take({ producer, does, records }: Step): void {
    const open = this.#open.get(producer)
    if (does === 'write') this.#write(producer, records)
    else if (open !== undefined) this.finish(producer, does)
  }

  finish(producer: number, kind: 'commit' | 'abort'): void {
    const open = this.#open.get(producer) ?? []
    this.#open.delete(producer)
    if (kind === 'commit') this.committed.push(...open)
    else
      this.aborted.push({ producerId: producer, firstOffset: open[0] ?? 0, lastOffset: this.end })
    this.#append(
      naiveMarker({ baseOffset: BigInt(this.end), producerId: BigInt(producer), kind }),
      1,
    )
  }

  /**
   * Ends what is open: a reader of committed records is given nothing behind the first open
   * transaction.
   */
  close(): void {
    for (const producer of this.#open.keys()) this.finish(producer, 'commit')
    this.committed.sort((a, b) => a - b)
  }

  #write(producer: number, records: number): void {
    const offsets = Array.from({ length: records }, (_, i) => this.end + i)
    if (producer === 0) this.committed.push(...offsets)
    else this.#open.set(producer, [...(this.#open.get(producer) ?? []), ...offsets])
    const bytes = naiveBatch({
      baseOffset: BigInt(this.end),
      producerId: BigInt(producer === 0 ? -1 : producer),
      attributes: producer === 0 ? 0 : TRANSACTIONAL,
      records: offsets.map((_, offsetDelta) => ({ offsetDelta })),
    })
    this.#append(bytes, records)
  }

  #append(bytes: Buffer, offsets: number): void {
    const lastOffset = this.end + offsets - 1
    this.batches.push({ bytes, firstOffset: this.end, lastOffset })
    this.end += offsets
  }
}

describe('a reader of committed records', () => {
  test('is not misled by the order of the list, in which those that ended first come first', () => {
    const log = new NaiveLog()
    const write = (producer: number) => log.take({ producer, does: 'write', records: 1 })
    write(1)
    write(2)
    log.finish(2, 'abort')
    write(1)
    log.finish(1, 'abort')
    write(2)
    log.finish(2, 'commit')
    const set = Buffer.concat(log.batches.map(({ bytes }) => bytes))
    expect(log.aborted.map(({ firstOffset }) => firstOffset)).toEqual([1, 0])
    expect([...decode(set, { aborted: log.aborted }).offsets]).toEqual([5])
  })

  test('gets them and no others, from wherever and in however many fetches it reads', () => {
    const steps = fc.array(step, { maxLength: 40 })
    fc.assert(
      fc.property(steps, fc.nat(), fc.integer({ min: 1, max: 8 }), (taken, from, perFetch) => {
        const log = new NaiveLog()
        for (const each of taken) log.take(each)
        log.close()
        const fromOffset = from % (log.end + 1)
        const read: number[] = []
        let next = fromOffset
        while (next < log.end) {
          const batches = log.batches
            .filter(({ lastOffset }) => lastOffset >= next)
            .slice(0, perFetch)
          // Brokers list the aborted transactions that reach into the batches, by their ends.
          const upTo = batches.at(-1)?.lastOffset ?? 0
          const aborted = log.aborted.filter(
            (one) => one.lastOffset >= next && one.firstOffset <= upTo,
          )
          const set = Buffer.concat(batches.map(({ bytes }) => bytes))
          const records = decode(set, { fromOffset: next, aborted })
          read.push(...records.offsets)
          expect(records.nextOffset).toBeGreaterThan(next)
          next = records.nextOffset
        }
        expect(read).toEqual(log.committed.filter((offset) => offset >= fromOffset))
      }),
      { numRuns: runs(300) },
    )
  })
})
