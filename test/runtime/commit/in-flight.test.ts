import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ListedRecords } from '../../../src/records/log-records.ts'
import type { LogRecord } from '../../../src/records/port.ts'
import { WrittenRecords } from '../../../src/records/written-records.ts'
import { markOf } from '../../../src/runtime/commit/checkpoint-metadata.ts'
import type { Entry, Room } from '../../../src/runtime/commit/entry.ts'
import { type Gathered, Ledger } from '../../../src/runtime/commit/in-flight.ts'
import { wireBytes } from '../../../src/runtime/commit/output-batch.ts'
import type { Piece } from '../../../src/runtime/commit/piece.ts'
import { MOST_OF_ONE } from '../../../src/runtime/partition/flow.ts'
import { record } from '../../records/listener.ts'
import { runs } from '../../support/runs.ts'

const ALL: Room = { bytes: Number.POSITIVE_INFINITY, records: Number.POSITIVE_INFINITY }
/** One output of one record. */
const BYTES = wireBytes(WrittenRecords.of([record('scores')]), 0)

/** Tells which chunk's beginning or end it is of. */
function note(offset: number) {
  const from = { offset, newestMs: 0, idleMs: 0 }
  return { fingerprint: 'f', from, idleMs: 0, wholeFromMs: Number.NEGATIVE_INFINITY }
}

function logRecord(offset: number): LogRecord {
  const value = Buffer.from(`v${offset}`)
  return { offset, timestampMs: 0, key: null, value, headers: [] }
}

/** A chunk of these offsets. */
function open(ledger: Ledger, offsets: readonly number[], nextOffset?: number): Entry {
  const records = offsets.map(logRecord)
  const last = records.at(-1)
  const entry = ledger.open({
    records: new ListedRecords(records),
    nextOffset: nextOffset ?? (offsets.at(-1) ?? 0) + 1,
    bytes: 100,
    lastRecord: last === undefined ? null : markOf(last),
    tasks: 1,
  })
  entry.begin('t', note(offsets[0] ?? 0))
  return entry
}

/** A piece with an output that each of these offsets has caused. */
function piece(causes: readonly number[], dead: readonly number[] = []): Piece {
  const made = (causedBy: readonly number[]) => ({
    records: WrittenRecords.of(causedBy.map(() => record('scores'))),
    causes: causedBy,
  })
  return { outputs: made(causes), deadLetters: made(dead) }
}

function end(entry: Entry): void {
  entry.done('t', note(entry.nextOffset))
}

const causesIn = ({ pieces }: Pick<Gathered, 'pieces'>) =>
  pieces.flatMap((p) => [...p.outputs.causes, ...p.deadLetters.causes])

/** What a commit would take. */
function taken(ledger: Ledger, room: Room = ALL) {
  const gathered = ledger.gather(room, 1)
  if (gathered.from.length === 0) return null
  return { causes: causesIn(gathered), nextOffset: gathered.upTo?.nextOffset }
}

/** Takes it, and succeeds. */
function commit(ledger: Ledger, room: Room = ALL): void {
  ledger.committed(ledger.gather(room, 1))
}

/** Has it been resolved, after all that is due? */
async function isOver(work: Promise<void>): Promise<boolean> {
  let over = false
  void work.then(() => (over = true))
  await new Promise((resolve) => setImmediate(resolve))
  return over
}

test('whoever waits for room waits no longer when the partition is lost', async () => {
  const ledger = new Ledger('at-least-once')
  const entry = open(ledger, [1])
  entry.add(piece([1]))
  const waiting = entry.room(0)
  expect(await isOver(waiting)).toBe(false)
  ledger.drop()
  expect(await isOver(waiting)).toBe(true)
})

describe('exactly once', () => {
  test('nothing of a chunk is taken before it is finished', () => {
    const ledger = new Ledger('exactly-once')
    const entry = open(ledger, [4])
    entry.add(piece([4, 4]))
    expect(taken(ledger)).toBeNull()
    end(entry)
    expect(taken(ledger)).toEqual({ causes: [4, 4], nextOffset: 5 })
  })

  test('a chunk is taken up to a record where there is no room for all of it, and then its rest', () => {
    const ledger = new Ledger('exactly-once')
    const entry = open(ledger, [4, 5, 7, 8])
    entry.add(piece([4, 4, 7], [5]))
    entry.add(piece([8]))
    end(entry)
    const room = { ...ALL, bytes: 3 * BYTES }
    expect(taken(ledger, room)).toEqual({ causes: [4, 4, 5], nextOffset: 7 })
    commit(ledger, room)
    expect(taken(ledger, room)).toEqual({ causes: [7, 8], nextOffset: 9 })
    commit(ledger, room)
    expect(ledger.isEmpty).toBe(true)
  })

  test('the memory of what is durable is used again, and that of a part only when the rest is too', () => {
    const ledger = new Ledger('exactly-once')
    const [whole, cut] = [piece([4, 4]), piece([5, 6])]
    const entries = [open(ledger, [4]), open(ledger, [5, 6])]
    for (const [i, made] of [whole, cut].entries()) {
      entries[i]?.add(made)
      end(entries[i] as Entry)
    }
    const gathered = ledger.gather({ ...ALL, records: 3 }, 1)
    expect(causesIn(gathered)).toEqual([4, 4, 5])
    expect(whole.outputs.records).toHaveLength(2)
    ledger.committed(gathered)
    expect(whole.outputs.records).toHaveLength(0)
    expect(cut.outputs.records).toHaveLength(2)
    expect(taken(ledger)).toEqual({ causes: [6], nextOffset: 7 })
  })

  test('within a chunk a restart begins where it would at its first record', () => {
    const ledger = new Ledger('exactly-once')
    const entry = open(ledger, [4, 5, 7])
    entry.add(piece([4, 5, 7]))
    end(entry)
    const { upTo } = ledger.gather({ ...ALL, records: 2 }, 1)
    expect(upTo?.nextOffset).toBe(7)
    expect(upTo?.lastRecord).toEqual(markOf(logRecord(5)))
    expect(upTo?.notes.get('t')).toEqual(note(4))
    expect(ledger.gather(ALL, 1).upTo?.notes.get('t')).toEqual(note(8))
  })

  test('what one record makes stays whole, however large it is', () => {
    const ledger = new Ledger('exactly-once')
    const entry = open(ledger, [4, 5])
    entry.add(piece([4, 4, 4, 5]))
    end(entry)
    const room = { ...ALL, bytes: 1 }
    const gathered = ledger.gather(room, 1)
    expect(causesIn(gathered)).toEqual([4, 4, 4])
    expect(gathered.isSmallest).toBe(true)
    // A commit that has something already does not take it as well, and says that there is more.
    expect(ledger.gather(room, 0)).toMatchObject({ pieces: [], upTo: null, isAll: false })
  })

  test('the end of a chunk of which nothing came takes no room', () => {
    const ledger = new Ledger('exactly-once')
    end(open(ledger, [4]))
    end(open(ledger, [], 9))
    expect(taken(ledger, { bytes: 0, records: 0 })).toEqual({ causes: [], nextOffset: 9 })
  })

  test('one that makes many pieces does not wait for itself, only for those before it', async () => {
    const ledger = new Ledger('exactly-once')
    const [before, entry] = [open(ledger, [4]), open(ledger, [5])]
    for (let i = 0; i < 3; i++) before.add(piece([4]))
    end(before)
    for (let i = 0; i < 100; i++) entry.add(piece([5]))
    const room = entry.room(2)
    expect(await isOver(room)).toBe(false)
    commit(ledger)
    expect(await isOver(room)).toBe(true)
  })
})

describe('at least once', () => {
  test('pieces go before their chunk is finished, as far as there is room', () => {
    const ledger = new Ledger('at-least-once')
    const entry = open(ledger, [4])
    for (let i = 0; i < 3; i++) entry.add(piece([4, 4, 4]))
    const room = { ...ALL, records: 7 }
    expect(taken(ledger, room)).toEqual({ causes: [4, 4, 4, 4, 4, 4], nextOffset: undefined })
    commit(ledger, room)
    end(entry)
    expect(taken(ledger, room)).toEqual({ causes: [4, 4, 4], nextOffset: 5 })
  })

  test('a finished chunk moves the offset with each part of it', () => {
    const ledger = new Ledger('at-least-once')
    const entry = open(ledger, [4, 5])
    entry.add(piece([4, 5]))
    end(entry)
    expect(taken(ledger, { ...ALL, records: 1 })).toEqual({ causes: [4], nextOffset: 5 })
  })

  test('a chunk that makes many pieces waits until they are written', async () => {
    const ledger = new Ledger('at-least-once')
    const entry = open(ledger, [4])
    for (let i = 0; i < 3; i++) entry.add(piece([4]))
    const room = entry.room(2)
    expect(await isOver(room)).toBe(false)
    commit(ledger, { ...ALL, records: 1 })
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
      const ledger = new Ledger(guarantee)
      const expected: number[] = []
      let offset = 0
      for (const ofChunk of counts) {
        const first = offset
        const entry = open(
          ledger,
          ofChunk.map(() => offset++),
          ofChunk.length === 0 ? first : undefined,
        )
        const causes = ofChunk.flatMap((n, i) => Array.from({ length: n }, () => first + i))
        expected.push(...causes)
        // Of two ways through the topology, the second gives its outputs after all of the first.
        entry.add(piece(causes.filter((_, i) => i % 2 === 0)))
        entry.add(piece(causes.filter((_, i) => i % 2 === 1)))
        end(entry)
      }
      const written: number[] = []
      for (let n = 0; !ledger.isEmpty; n++) {
        const { fails, ...room } = attempts[n % attempts.length] as (typeof attempts)[0]
        const gathered = ledger.gather(room, 1)
        const causes = causesIn(gathered)
        const bytes = gathered.pieces.reduce((sum, p) => sum + p.bytes, 0)
        expect(bytes).toBe(causes.length * BYTES)
        const fits = bytes <= room.bytes && causes.length <= room.records
        expect(fits || gathered.isSmallest).toBe(true)
        if (fails && n < 20) continue
        ledger.committed(gathered)
        written.push(...causes)
        const upTo = gathered.upTo?.nextOffset ?? 0
        expect(written.toSorted((a, b) => a - b)).toEqual(expected.filter((c) => c < upTo))
      }
      expect(written).toHaveLength(expected.length)
      expect(ledger.bytesInFlight).toBe(0)
    })
    fc.assert(property, { numRuns: runs(500) })
  },
)

test('what is in flight weighs as its input, what was made of it, and what is expected to be', () => {
  const ledger = new Ledger('exactly-once')
  const entry = open(ledger, [4, 5])
  const expected = ledger.bytesInFlight
  expect(expected).toBeGreaterThan(100)
  entry.add(piece([4, 5]))
  end(entry)
  const made = ledger.bytesInFlight - 100
  expect(made).toBeGreaterThan(2 * BYTES)
  // The next chunk is expected to make as much for each record.
  open(ledger, [6])
  expect(ledger.bytesInFlight).toBe(100 + made + 100 + made / 2)
  commit(ledger, { ...ALL, records: 1 })
  expect(ledger.bytesInFlight).toBe(100 + made / 2 + 100 + made / 2)
})

test('of a chunk no more is expected than a partition may have on its way, whatever the last one made', () => {
  const ledger = new Ledger('exactly-once')
  const entry = open(ledger, [4])
  entry.add(piece(Array.from({ length: 1_000 }, () => 4)))
  end(entry)
  commit(ledger)
  open(
    ledger,
    Array.from({ length: 1_000 }, (_, i) => 5 + i),
  )
  expect(ledger.bytesInFlight).toBe(100 + MOST_OF_ONE)
})
