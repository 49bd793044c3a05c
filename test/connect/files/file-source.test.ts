import { expect, test } from 'vitest'
import { FileSource } from '../../../src/connect/files/file-source.ts'
import {
  type PartitionLines,
  PartitionLinesWriter,
} from '../../../src/connect/files/partition-lines.ts'
import type { Chunk, Commit, Committed, Member, MemberHandlers } from '../../../src/connect/port.ts'
import { Memory, Place } from '../../../src/kernel/bytes.ts'
import { NO_TIMESTAMP } from '../../../src/kernel/time.ts'
import { sourceContract } from '../source-contract.ts'

/** Lines `v<offset>` of a partition. */
function linesOf(partition: number, offsets: readonly number[]): PartitionLines {
  const writer = new PartitionLinesWriter(partition)
  for (const [place, offset] of offsets.entries()) {
    const memory = new Memory(new Uint8Array(Buffer.from(`${offset}`)).buffer)
    const [key, value] = [new Place(), new Place()]
    // Each key is the first letter of its value.
    Object.assign(key, { memory, from: 0, to: 1 })
    Object.assign(value, { memory, from: 0, to: memory.bytes.length })
    writer.add({ key, value }, offset, place)
  }
  return writer.take(NO_TIMESTAMP)
}

const NO_HANDLERS: MemberHandlers = {
  assigned: ({ nextOffset }) => nextOffset,
  lost: () => {},
  chunk: () => {},
  caughtUp: () => {},
  unreadable: () => {},
  throttled: () => {},
  failed: () => {},
}

interface Run {
  readonly lines: readonly (readonly PartitionLines[])[]
  readonly committed?: ReadonlyMap<number, Committed>
  /** Where a partition is read from, when it was committed. */
  readonly start?: number
  readonly isOwn?: (partition: number) => boolean
}

async function run({ lines, committed = new Map(), start, isOwn = () => true }: Run) {
  const chunks: Chunk[] = []
  const failed: Error[] = []
  const published: Commit[] = []
  const records = new FileSource({
    ...{ topic: 'orders', partitions: 3, isOwn, committed },
    lines: (async function* () {
      yield* lines
    })(),
    onLines: () => {},
    publish: async (commit) => void published.push(commit),
  })
  const assigned: number[] = []
  const member: Member = await records.join({
    ...{ group: 'batch', topics: ['orders'], from: 'earliest' },
    handlers: {
      ...NO_HANDLERS,
      assigned: ({ partition, nextOffset }) => {
        assigned.push(partition)
        return start ?? nextOffset
      },
      chunk: (chunk) => chunks.push(chunk),
      failed: (error) => failed.push(error),
    },
  })
  const commit = (partition: number, nextOffset: number) => {
    const at = { topic: 'orders', partition, epoch: 1, nextOffset, metadata: '' }
    return member.commit({ outputs: [], deadLetters: [], nextOffsets: [at] })
  }
  const read = () =>
    chunks.flatMap(({ partition, records: of }) =>
      [...of].map((r) => `${partition}:${String(r.value)}`),
    )
  return { records, member, chunks, failed, published, assigned, commit, read }
}

const turns = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

test('partitions of its own are read from where they start, and are settled when all is committed', async () => {
  const committed = new Map([[0, { nextOffset: 2, metadata: 'm' }]])
  const of = await run({
    lines: [
      [linesOf(0, [0, 1]), linesOf(1, [0])],
      [linesOf(0, [2, 5]), linesOf(2, [0])],
    ],
    committed,
    start: 0,
    isOwn: (partition) => partition < 2,
  })
  let isSettled = false
  const settled = of.records.settled().then(() => {
    isSettled = true
    return isSettled
  })
  await turns()
  expect(of.assigned).toEqual([0, 1])
  // What is committed is read again for its windows.
  expect(of.read()).toEqual(['0:0', '0:1', '1:0', '0:2', '0:5'])
  await of.commit(0, 6)
  expect(isSettled).toBe(false)
  await of.commit(1, 1)
  expect(await settled).toBe(true)
})

test('what is committed is left out if nothing asks for it', async () => {
  const committed = new Map([[0, { nextOffset: 2, metadata: 'm' }]])
  const of = await run({ lines: [[linesOf(0, [0, 1, 2])]], committed })
  await turns()
  expect(of.read()).toEqual(['0:2'])
})

test('nothing comes while a partition is paused, nor after the end', async () => {
  const of = await run({ lines: [[linesOf(0, [0])], [linesOf(1, [0])], [linesOf(0, [1])]] })
  of.member.pause({ topic: 'orders', partition: 1 })
  await turns()
  expect(of.read()).toEqual(['0:0'])
  of.member.resume({ topic: 'orders', partition: 1 })
  of.member.pause({ topic: 'orders', partition: 0 })
  await turns()
  expect(of.read()).toEqual(['0:0', '1:0'])
  await of.member.leave()
  of.member.resume({ topic: 'orders', partition: 0 })
  await turns()
  expect(of.read()).toEqual(['0:0', '1:0'])
})

test('an input that became shorter than what is committed of it fails', async () => {
  const committed = new Map([[1, { nextOffset: 3, metadata: 'm' }]])
  const of = await run({ lines: [[linesOf(1, [0, 1])]], committed, start: 0 })
  await turns()
  expect(of.failed).toMatchObject([{ code: 'TOPIC_CHANGED', where: 'orders-1@2' }])
})

sourceContract((name, fn) => {
  test(`${name} (files)`, async () => {
    await fn(async (values) => {
      const committed = new Map<number, Committed>()
      const lines = values.map((count, partition) =>
        linesOf(
          partition,
          Array.from({ length: count }, (_, offset) => offset),
        ),
      )
      const open = () =>
        new FileSource({
          ...{ topic: 'orders', partitions: values.length, committed: new Map(committed) },
          lines: (async function* () {
            yield lines
          })(),
          onLines: () => {},
          publish: async ({ nextOffsets }) => {
            for (const { partition, ...at } of nextOffsets) committed.set(partition, at)
          },
        })
      return { topic: 'orders', group: 'batch', open }
    })
  })
})
