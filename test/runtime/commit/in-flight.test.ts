import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ListedRecords } from '../../../src/connect/log-records.ts'
import type { LogRecord } from '../../../src/connect/port.ts'
import { WrittenRecords } from '../../../src/connect/written-records.ts'
import { markOf } from '../../../src/runtime/commit/checkpoint-metadata.ts'
import {
  type ChunkInFlight,
  type CommitPart,
  InFlight,
  MOST_PARTITION_BYTES,
} from '../../../src/runtime/commit/in-flight.ts'
import {
  type OutputBatch,
  type WriteSize,
  wireBytes,
} from '../../../src/runtime/commit/output-batch.ts'
import { record } from '../../connect/listener.ts'
import { runs } from '../../support/runs.ts'

const ALL: WriteSize = { bytes: Number.POSITIVE_INFINITY, records: Number.POSITIVE_INFINITY }
/** One output of one record. */
const BYTES = wireBytes(WrittenRecords.of([record('scores')]), 0)

/** Tells which chunk's beginning or end it is of. */
function checkpoint(offset: number) {
  const from = { offset, newestMs: 0, idleMs: 0 }
  return { fingerprint: 'f', from, idleMs: 0, wholeFromMs: Number.NEGATIVE_INFINITY }
}

function logRecord(offset: number): LogRecord {
  const value = Buffer.from(`v${offset}`)
  return { offset, timestampMs: 0, key: null, value, headers: [] }
}

/** A chunk of these offsets. */
function addTo(inFlight: InFlight, offsets: readonly number[], nextOffset?: number): ChunkInFlight {
  const records = offsets.map(logRecord)
  const last = records.at(-1)
  const chunk = inFlight.add({
    records: new ListedRecords(records),
    nextOffset: nextOffset ?? (offsets.at(-1) ?? 0) + 1,
    bytes: 100,
    lastRecord: last === undefined ? null : markOf(last),
    tasks: 1,
  })
  chunk.begin('t', checkpoint(offsets[0] ?? 0))
  return chunk
}

/** A batch with an output that each of these offsets has caused. */
function batch(causes: readonly number[], dead: readonly number[] = []): OutputBatch {
  const made = (causedBy: readonly number[]) => ({
    records: WrittenRecords.of(causedBy.map(() => record('scores'))),
    causes: causedBy,
  })
  return { outputs: made(causes), deadLetters: made(dead) }
}

function end(chunk: ChunkInFlight): void {
  chunk.done('t', checkpoint(chunk.nextOffset))
}

const causesIn = ({ batches }: Pick<CommitPart, 'batches'>) =>
  batches.flatMap((p) => [...p.outputs.causes, ...p.deadLetters.causes])

/** The causes and the next offset that a commit would take. */
function taken(inFlight: InFlight, room: WriteSize = ALL) {
  const gathered = inFlight.gather(room, 1)
  if (gathered.from.length === 0) return null
  return { causes: causesIn(gathered), nextOffset: gathered.upTo?.nextOffset }
}

/** Takes it, and succeeds. */
function commit(inFlight: InFlight, room: WriteSize = ALL): void {
  inFlight.committed(inFlight.gather(room, 1))
}

/** Has it been resolved, after all that is due? */
async function isOver(work: Promise<void>): Promise<boolean> {
  let over = false
  void work.then(() => (over = true))
  await new Promise((resolve) => setImmediate(resolve))
  return over
}

test('whoever waits for room waits no longer when the partition is lost', async () => {
  const inFlight = new InFlight('at-least-once')
  const chunk = addTo(inFlight, [1])
  chunk.add(batch([1]))
  const waiting = chunk.room(0)
  expect(await isOver(waiting)).toBe(false)
  inFlight.drop()
  expect(await isOver(waiting)).toBe(true)
})

describe('exactly once', () => {
  test('nothing of a chunk is taken before it is finished', () => {
    const inFlight = new InFlight('exactly-once')
    const chunk = addTo(inFlight, [4])
    chunk.add(batch([4, 4]))
    expect(taken(inFlight)).toBeNull()
    end(chunk)
    expect(taken(inFlight)).toEqual({ causes: [4, 4], nextOffset: 5 })
  })

  test('a chunk is taken up to a record where there is no room for all of it, and then its rest', () => {
    const inFlight = new InFlight('exactly-once')
    const chunk = addTo(inFlight, [4, 5, 7, 8])
    chunk.add(batch([4, 4, 7], [5]))
    chunk.add(batch([8]))
    end(chunk)
    const room = { ...ALL, bytes: 3 * BYTES }
    expect(taken(inFlight, room)).toEqual({ causes: [4, 4, 5], nextOffset: 7 })
    commit(inFlight, room)
    expect(taken(inFlight, room)).toEqual({ causes: [7, 8], nextOffset: 9 })
    commit(inFlight, room)
    expect(inFlight.isEmpty).toBe(true)
  })

  test('the memory of what is durable is used again, and that of a part only when the rest is too', () => {
    const inFlight = new InFlight('exactly-once')
    const [whole, cut] = [batch([4, 4]), batch([5, 6])]
    const chunks = [addTo(inFlight, [4]), addTo(inFlight, [5, 6])]
    for (const [i, made] of [whole, cut].entries()) {
      chunks[i]?.add(made)
      end(chunks[i] as ChunkInFlight)
    }
    const gathered = inFlight.gather({ ...ALL, records: 3 }, 1)
    expect(causesIn(gathered)).toEqual([4, 4, 5])
    expect(whole.outputs.records).toHaveLength(2)
    inFlight.committed(gathered)
    expect(whole.outputs.records).toHaveLength(0)
    expect(cut.outputs.records).toHaveLength(2)
    expect(taken(inFlight)).toEqual({ causes: [6], nextOffset: 7 })
  })

  test('within a chunk a restart begins where it would at its first record', () => {
    const inFlight = new InFlight('exactly-once')
    const chunk = addTo(inFlight, [4, 5, 7])
    chunk.add(batch([4, 5, 7]))
    end(chunk)
    const { upTo } = inFlight.gather({ ...ALL, records: 2 }, 1)
    expect(upTo?.nextOffset).toBe(7)
    expect(upTo?.lastRecord).toEqual(markOf(logRecord(5)))
    expect(upTo?.topologies.get('t')).toEqual(checkpoint(4))
    expect(inFlight.gather(ALL, 1).upTo?.topologies.get('t')).toEqual(checkpoint(8))
  })

  test('what one record makes stays whole, however large it is', () => {
    const inFlight = new InFlight('exactly-once')
    const chunk = addTo(inFlight, [4, 5])
    chunk.add(batch([4, 4, 4, 5]))
    end(chunk)
    const room = { ...ALL, bytes: 1 }
    const gathered = inFlight.gather(room, 1)
    expect(causesIn(gathered)).toEqual([4, 4, 4])
    expect(gathered.isSmallest).toBe(true)
    // A commit that has something already does not take it as well, and says that there is more.
    expect(inFlight.gather(room, 0)).toMatchObject({ batches: [], upTo: null, isAll: false })
  })

  test('the end of a chunk of which nothing came takes no room', () => {
    const inFlight = new InFlight('exactly-once')
    end(addTo(inFlight, [4]))
    end(addTo(inFlight, [], 9))
    expect(taken(inFlight, { bytes: 0, records: 0 })).toEqual({ causes: [], nextOffset: 9 })
  })

  test('one that makes many batches does not wait for itself, only for those before it', async () => {
    const inFlight = new InFlight('exactly-once')
    const [before, chunk] = [addTo(inFlight, [4]), addTo(inFlight, [5])]
    for (let i = 0; i < 3; i++) before.add(batch([4]))
    end(before)
    for (let i = 0; i < 100; i++) chunk.add(batch([5]))
    const room = chunk.room(2)
    expect(await isOver(room)).toBe(false)
    commit(inFlight)
    expect(await isOver(room)).toBe(true)
  })
})

describe('at least once', () => {
  test('batches go before their chunk is finished, as far as there is room', () => {
    const inFlight = new InFlight('at-least-once')
    const chunk = addTo(inFlight, [4])
    for (let i = 0; i < 3; i++) chunk.add(batch([4, 4, 4]))
    const room = { ...ALL, records: 7 }
    expect(taken(inFlight, room)).toEqual({ causes: [4, 4, 4, 4, 4, 4], nextOffset: undefined })
    commit(inFlight, room)
    end(chunk)
    expect(taken(inFlight, room)).toEqual({ causes: [4, 4, 4], nextOffset: 5 })
  })

  test('a finished chunk moves the offset with each part of it', () => {
    const inFlight = new InFlight('at-least-once')
    const chunk = addTo(inFlight, [4, 5])
    chunk.add(batch([4, 5]))
    end(chunk)
    expect(taken(inFlight, { ...ALL, records: 1 })).toEqual({ causes: [4], nextOffset: 5 })
  })

  test('a chunk that makes many batches waits until they are written', async () => {
    const inFlight = new InFlight('at-least-once')
    const chunk = addTo(inFlight, [4])
    for (let i = 0; i < 3; i++) chunk.add(batch([4]))
    const room = chunk.room(2)
    expect(await isOver(room)).toBe(false)
    commit(inFlight, { ...ALL, records: 1 })
    expect(await isOver(room)).toBe(true)
  })
})

test.each(['exactly-once', 'at-least-once'] as const)(
  '%s, whatever the sizes: each output is taken once, and an offset only with all before it',
  (guarantee) => {
    const sizes = fc.array(fc.nat({ max: 4 }), { maxLength: 6 })
    const chunks = fc.array(sizes, { minLength: 1, maxLength: 8 })
    const rooms = fc.array(
      fc.record({
        bytes: fc.integer({ min: 1, max: 12 * BYTES }),
        records: fc.integer({ min: 1, max: 12 }),
        fails: fc.boolean(),
      }),
      { minLength: 1, maxLength: 10 },
    )
    const property = fc.property(chunks, rooms, (counts, attempts) => {
      const inFlight = new InFlight(guarantee)
      const expected: number[] = []
      let offset = 0
      for (const ofChunk of counts) {
        const first = offset
        const chunk = addTo(
          inFlight,
          ofChunk.map(() => offset++),
          ofChunk.length === 0 ? first : undefined,
        )
        const causes = ofChunk.flatMap((n, i) => Array.from({ length: n }, () => first + i))
        expected.push(...causes)
        // The second of two ways through the topology gives its outputs after all of the first.
        chunk.add(batch(causes.filter((_, i) => i % 2 === 0)))
        chunk.add(batch(causes.filter((_, i) => i % 2 === 1)))
        end(chunk)
      }
      const written: number[] = []
      for (let n = 0; !inFlight.isEmpty; n++) {
        const { fails, ...room } = attempts[n % attempts.length] as (typeof attempts)[0]
        const gathered = inFlight.gather(room, 1)
        const causes = causesIn(gathered)
        const bytes = gathered.batches.reduce((sum, p) => sum + p.bytes, 0)
        expect(bytes).toBe(causes.length * BYTES)
        const fits = bytes <= room.bytes && causes.length <= room.records
        expect(fits || gathered.isSmallest).toBe(true)
        if (fails && n < 20) continue
        inFlight.committed(gathered)
        written.push(...causes)
        const upTo = gathered.upTo?.nextOffset ?? 0
        expect(written.toSorted((a, b) => a - b)).toEqual(expected.filter((c) => c < upTo))
      }
      expect(written).toHaveLength(expected.length)
      expect(inFlight.bytes).toBe(0)
    })
    fc.assert(property, { numRuns: runs(500) })
  },
)

test('what is in flight weighs as its input, what was made of it, and what is expected to be', () => {
  const inFlight = new InFlight('exactly-once')
  const chunk = addTo(inFlight, [4, 5])
  const expected = inFlight.bytes
  expect(expected).toBeGreaterThan(100)
  chunk.add(batch([4, 5]))
  end(chunk)
  const made = inFlight.bytes - 100
  expect(made).toBeGreaterThan(2 * BYTES)
  // The next chunk is expected to make as much for each record.
  addTo(inFlight, [6])
  expect(inFlight.bytes).toBe(100 + made + 100 + made / 2)
  commit(inFlight, { ...ALL, records: 1 })
  expect(inFlight.bytes).toBe(100 + made / 2 + 100 + made / 2)
})

test('of a chunk no more is expected than a partition may have on its way, whatever the last one made', () => {
  const inFlight = new InFlight('exactly-once')
  const chunk = addTo(inFlight, [4])
  chunk.add(batch(Array.from({ length: 1_000 }, () => 4)))
  end(chunk)
  commit(inFlight)
  addTo(
    inFlight,
    Array.from({ length: 1_000 }, (_, i) => 5 + i),
  )
  expect(inFlight.bytes).toBe(100 + MOST_PARTITION_BYTES)
})
