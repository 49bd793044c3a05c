import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { FileSource } from '../../../src/connect/files/file-source.ts'
import {
  type PartitionLines,
  PartitionLinesWriter,
} from '../../../src/connect/files/partition-lines.ts'
import type { Committed } from '../../../src/connect/port.ts'
import { Memory, Place } from '../../../src/kernel/bytes.ts'
import { NO_TIMESTAMP } from '../../../src/kernel/time.ts'
import { Listener } from '../listener.ts'
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

interface Run {
  readonly lines: readonly (readonly PartitionLines[])[]
  readonly committed?: ReadonlyMap<number, Committed>
  /** Where a partition is read from, when it was committed. */
  readonly start?: number
  readonly isOwn?: (partition: number) => boolean
}

async function run({ lines, committed = new Map(), start, isOwn = () => true }: Run) {
  const heard = new Listener(undefined, ({ nextOffset }) => start ?? nextOffset)
  const records = new FileSource({
    ...{ topic: 'orders', partitions: 3, isOwn, committed },
    lines: (async function* () {
      yield* lines
    })(),
    onLines: () => {},
    publish: async () => {},
  })
  const join = { group: 'batch', topics: ['orders'], from: 'earliest', handlers: heard } as const
  const member = await records.join(join)
  const commit = (partition: number, nextOffset: number) => {
    const at = { topic: 'orders', partition, epoch: 1, nextOffset, metadata: '' }
    return member.commit({ outputs: [], deadLetters: [], nextOffsets: [at] })
  }
  const read = () =>
    heard.chunks.flatMap(({ partition, records: of }) =>
      [...of].map((r) => `${partition}:${String(r.value)}`),
    )
  return { records, member, heard, commit, read }
}

/** Long enough for what should not happen. */
const turns = async () => {
  for (let turn = 0; turn < 20; turn++) await nextTurn()
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
  await of.heard.until(() => of.read().length === 5)
  expect(of.heard.assignments.map(({ partition }) => partition)).toEqual([0, 1])
  // What is committed is read again for its windows.
  expect(of.read()).toEqual(['0:0', '0:1', '1:0', '0:2', '0:5'])
  await of.commit(0, 6)
  await turns()
  expect(isSettled).toBe(false)
  await of.commit(1, 1)
  expect(await settled).toBe(true)
})

test('what is committed is left out if nothing asks for it', async () => {
  const committed = new Map([[0, { nextOffset: 2, metadata: 'm' }]])
  const of = await run({ lines: [[linesOf(0, [0, 1, 2])]], committed })
  await of.heard.until(() => of.read().length > 0)
  expect(of.read()).toEqual(['0:2'])
})

test('nothing comes while a partition is paused, nor after the end', async () => {
  const of = await run({ lines: [[linesOf(0, [0])], [linesOf(1, [0])], [linesOf(0, [1])]] })
  of.member.pause({ topic: 'orders', partition: 1 })
  await of.heard.until(() => of.read().length === 1)
  await turns()
  expect(of.read()).toEqual(['0:0'])
  of.member.resume({ topic: 'orders', partition: 1 })
  of.member.pause({ topic: 'orders', partition: 0 })
  await of.heard.until(() => of.read().length === 2)
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
  expect(await of.heard.fails()).toMatchObject({ code: 'TOPIC_CHANGED', where: 'orders-1@2' })
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
