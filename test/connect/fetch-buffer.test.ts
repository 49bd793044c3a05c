import { expect, test } from 'vitest'
import { type EncodedBatch } from '../../src/connect/kafka/codec/encode.ts'
import { RecordSet } from '../../src/connect/kafka/codec/record-set.ts'
import { FetchBuffer, type Fetched } from '../../src/connect/kafka/consume/fetch-buffer.ts'
import { MOST_CHUNK_RECORDS } from '../../src/connect/port.ts'
import { encodeBatches, NO_PRODUCER } from '../support/batches.ts'
import { HandClock } from '../support/clocks.ts'

const TOMBSTONES = 20_000

function tombstones(fromOffset = 0): RecordSet {
  const one = { key: null, value: null, timestampMs: 0, headers: [] }
  const options = { maxBytes: 2 ** 30, producer: NO_PRODUCER, compression: 'none' } as const
  const [batch] = encodeBatches(new Array(TOMBSTONES).fill(one), options)
  const { bytes } = batch as EncodedBatch
  bytes.writeBigInt64BE(BigInt(fromOffset), 0)
  return new RecordSet(bytes, { partition: 't-0', fromOffset, aborted: [] })
}

interface Partition {
  readonly n: number
  readonly outputFrom: number
  paused: boolean
}

function partition(n = 0, outputFrom = 0): Partition {
  return { n, outputFrom, paused: false }
}

/** Hands over to a list, and counts the records of each turn of the event loop. */
function bufferOf(onFetched: (fetched: Fetched) => void = () => {}) {
  const lost = new Set<Partition>()
  const came: { of: Partition; offsets: number[]; nextOffset: number }[] = []
  const turns: number[] = []
  let isCounting = false
  const buffer = new FetchBuffer<Partition>({
    // On a busy machine a turn would now and then be over by its time.
    clock: new HandClock(0),
    isCurrent: (of) => !lost.has(of),
    outputFrom: (of) => of.outputFrom,
    fetched: (of, fetched) => {
      const { records, nextOffset } = fetched
      came.push({ of, offsets: [...records.offsets], nextOffset })
      if (!isCounting) {
        isCounting = true
        turns.push(0)
        setImmediate(() => {
          isCounting = false
        })
      }
      turns[turns.length - 1] = (turns.at(-1) as number) + records.length
      onFetched(fetched)
    },
  })
  return { buffer, came, turns, lost }
}

const all = Array.from({ length: TOMBSTONES }, (_, i) => i)

test('records of one batch are handed over some thousand at a time, with a turn of the event loop between', async () => {
  const { buffer, came, turns } = bufferOf()
  const of = partition()
  buffer.add(of, { set: tombstones(), endOffset: TOMBSTONES })
  await buffer.drain(of)
  expect(came.flatMap(({ offsets }) => offsets)).toEqual(all)
  expect(Math.max(...came.map(({ offsets }) => offsets.length))).toBe(MOST_CHUNK_RECORDS)
  // Twice: what comes in between timers and immediates has a turn of its own.
  expect(Math.max(...turns)).toBeLessThanOrEqual(2 * MOST_CHUNK_RECORDS)
  expect(buffer.has(of)).toBe(false)
})

test('few records come first, then as many as have come so far', async () => {
  const { buffer, came } = bufferOf()
  const of = partition()
  buffer.add(of, { set: tombstones(), endOffset: TOMBSTONES })
  await buffer.drain(of)
  const sizes = came.map(({ offsets }) => offsets.length)
  expect(sizes.slice(0, 8)).toEqual([64, 64, 128, 256, 512, 1024, 2048, 2048])
})

test('a replay is handed over in full chunks up to where output begins, and few records with output come first', async () => {
  const { buffer, came } = bufferOf()
  const of = partition(0, 5000)
  buffer.add(of, { set: tombstones(), endOffset: TOMBSTONES })
  await buffer.drain(of)
  const sizes = came.map(({ offsets }) => offsets.length)
  expect(sizes.slice(0, 7)).toEqual([2048, 2048, 904, 64, 64, 128, 256])
  expect(came.flatMap(({ offsets }) => offsets)).toEqual(all)
})

test('all partitions share a turn, and each comes to its own', async () => {
  const { buffer, came, turns } = bufferOf()
  const partitions = [partition(0), partition(1), partition(2)]
  for (const of of partitions) buffer.add(of, { set: tombstones(), endOffset: TOMBSTONES })
  await buffer.drainAll()
  expect(Math.max(...turns)).toBeLessThanOrEqual(2 * MOST_CHUNK_RECORDS)
  for (const of of partitions) {
    expect(came.filter((c) => c.of === of).flatMap(({ offsets }) => offsets)).toEqual(all)
  }
  expect(new Set(came.slice(0, 12).map(({ of }) => of)).size).toBe(3)
})

test('little of many partitions is handed over in one turn', async () => {
  const { buffer, turns } = bufferOf()
  for (let n = 0; n < 24; n++) {
    const set = tombstones()
    while (set.next({ records: TOMBSTONES - 2, bytes: 2 ** 30 })?.records.length === 0);
    buffer.add(partition(n), { set, endOffset: TOMBSTONES })
  }
  await buffer.drainAll()
  expect(turns).toEqual([48])
})

test('a paused partition keeps the rest, and goes on where it stopped', async () => {
  const of = partition()
  const { buffer, came } = bufferOf(() => {
    of.paused = true
  })
  buffer.add(of, { set: tombstones(), endOffset: 2 * TOMBSTONES })
  buffer.add(of, { set: tombstones(TOMBSTONES), endOffset: 2 * TOMBSTONES })
  let resumes = 0
  for (; buffer.has(of); resumes++) {
    of.paused = false
    await buffer.drain(of)
    expect(came).toHaveLength(resumes + 1)
  }
  const offsets = came.flatMap((c) => c.offsets)
  expect(offsets).toEqual([...all, ...all.map((offset) => offset + TOMBSTONES)])
  for (const [i, { nextOffset }] of came.entries()) {
    expect(nextOffset).toBe(came[i + 1]?.offsets[0] ?? 2 * TOMBSTONES)
  }
})

test('a lost partition loses the rest', async () => {
  const of = partition()
  const { buffer, came, lost } = bufferOf(() => lost.add(of))
  buffer.add(of, { set: tombstones(), endOffset: TOMBSTONES })
  await buffer.drain(of)
  expect(came).toHaveLength(1)
  expect(buffer.has(of)).toBe(false)
})
