import { expect } from 'vitest'
import type { MemberHandlers } from '../../src/connect/port.ts'
import { partitionName } from '../../src/kernel/ids.ts'
import { commitOffsets, type DefineTest, type Driver, join, next, numbered } from './driver.ts'
import { Listener, record } from './listener.ts'

// Where a partition begins, and what a driver tells of it.

const AT = 1_700_000_000_000

/** Listens, and asks for so much of the log before the start. */
class LookingBack extends Listener implements MemberHandlers {
  readonly #ms: number

  constructor(ms: number) {
    super()
    this.#ms = ms
  }

  lookBackMs(): number {
    return this.#ms
  }
}

export function startingTests(test: DefineTest): void {
  test('whether old records of a key are removed from a topic is told', async (driver) => {
    const topic = await driver.createTopic(1, { isCompacted: true })
    const described = await driver.records.topics.describe([topic])
    expect(described.get(topic)?.isCompacted).toBe(true)
  })

  for (const metadata of ['', 'consumer-7@host', '{"v":1}', 'two\nlines']) {
    test(`an offset that was set by hand comes with ${JSON.stringify(metadata)}, which stands beside it`, async (driver) => {
      const topic = await driver.createTopic(1)
      const group = driver.freshGroup()
      await driver.produce(numbered(topic, 0, 5))
      await driver.setOffset({ group, topic, nextOffset: 3, metadata })
      const { member, heard } = await join({ driver, group, topic })
      expect(heard.assignment()).toMatchObject({ nextOffset: 3, metadata, lowOffset: 0 })
      await member.leave()
      // Whoever was given it and has committed nothing leaves it as it was.
      const { member: second, heard: again } = await join({ driver, group, topic })
      expect(again.assignment()).toMatchObject({ nextOffset: 3, metadata })
      await commitOffsets(second, next(again.assignment(), 4, 'mine'))
      await second.leave()
    })
  }

  for (const [what, lookBackMs, offset] of [
    ['all of it', Number.POSITIVE_INFINITY, 0],
    ['some of it, by the timestamps of its records', 2_000, 3],
    ['none of it', 0, 5],
    ['more than there is', 60_000, 0],
  ] as const) {
    test(`a member may read the log before its start: ${what}`, async (driver) => {
      const { topic, group } = await timed(driver)
      await driver.setOffset({ group, topic, nextOffset: 5, metadata: '' })
      const { member, heard } = await join({ driver, group, topic }, new LookingBack(lookBackMs))
      expect(heard.assignment()).toMatchObject({ nextOffset: 5, lookBackOffset: offset })
      await member.leave()
    })
  }

  test('at the end of the log it is counted back from the last record', async (driver) => {
    const { topic, group } = await timed(driver)
    const meeting = { driver, group, topic, from: 'latest' } as const
    const { member, heard } = await join(meeting, new LookingBack(2_000))
    expect(heard.assignment()).toMatchObject({ nextOffset: 10, lookBackOffset: 7 })
    await member.leave()
  })

  test('when records are deleted that were to be read again, the partition begins again with what is left', async (driver) => {
    const topic = await driver.createTopic(1)
    const group = driver.freshGroup()
    for (const value of values()) await driver.produce([record(topic, { value: large(value) })])
    await driver.setOffset({ group, topic, nextOffset: 8, metadata: 'note' })
    const heard = new Listener(
      () => {},
      ({ lowOffset }) => lowOffset,
    )
    const { member } = await join({ driver, group, topic }, heard)
    // One more chunk may come, which holds two or three of them.
    member.pause(heard.assignment())
    await driver.deleteBefore(topic, 4)
    member.resume(heard.assignment())
    await heard.until(() => heard.hasReached(10))
    expect(heard.assignments.map((a) => a.lowOffset)).toEqual([0, 4])
    expect(heard.assignment()).toMatchObject({ nextOffset: 8, metadata: 'note' })
    expect(heard.losses).toEqual([{ topic, partition: 0 }])
    const { epoch } = heard.assignment()
    const again = heard.chunks.filter((chunk) => chunk.epoch === epoch)
    const offsets = again.flatMap(({ records }) => Array.from(records, (r) => r.offset))
    expect(offsets).toEqual([4, 5, 6, 7, 8, 9])
    await member.leave()
  })

  test('when records are deleted that were never read, the member ends', async (driver) => {
    const topic = await driver.createTopic(1)
    const group = driver.freshGroup()
    for (const value of values()) await driver.produce([record(topic, { value: large(value) })])
    const { member, heard } = await join({ driver, group, topic })
    member.pause(heard.assignment())
    await driver.deleteBefore(topic, 6)
    member.resume(heard.assignment())
    expect(await heard.fails()).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
    await member.leave()
  })

  test('every member is told when a topic gets more partitions, and they are assigned out', async (driver) => {
    const topic = await driver.createTopic(1)
    const group = driver.freshGroup()
    const members = [await join({ driver, group, topic }), await join({ driver, group, topic })]
    for (const { heard } of members) expect(heard.counts.get(topic)).toBe(1)
    await driver.addPartitions(topic, 3)
    for (const { heard } of members) await heard.until(() => heard.counts.get(topic) === 3)
    const all = () => members.flatMap(({ heard }) => heard.assignments.map((a) => a.partition))
    const eitherUntil = (holds: () => boolean) =>
      Promise.race(members.map(({ heard }) => heard.until(holds)))
    await eitherUntil(() => new Set(all()).size === 3)
    await driver.produce([record(topic, { partition: 2 })])
    await eitherUntil(() => members.some(({ heard }) => heard.values(2).length === 1))
    for (const { member } of members) await member.leave()
  })

  test('a partition that was added after the group had begun begins at its start', async (driver) => {
    const topic = await driver.createTopic(3)
    const group = driver.freshGroup()
    await driver.produce([0, 1, 2].map((partition) => record(topic, { partition })))
    const heard = new Listener()
    const known = new Map([[topic, 2]])
    const options = { group, topics: [topic], from: 'latest', known, handlers: heard } as const
    const member = await driver.records.source.join(options)
    expect([0, 1, 2].map((p) => heard.assignment(p).nextOffset)).toEqual([1, 1, 0])
    await member.leave()
  })

  test('a partition without a committed offset begins where its member says, another where it was committed', async (driver) => {
    const topic = await driver.createTopic(2)
    const group = driver.freshGroup()
    const all = [0, 1].flatMap((partition) => numbered(topic, partition, 5))
    await driver.produce(all)
    const starts = new Map([0, 1].map((partition) => [partitionName({ topic, partition }), 3]))
    const options = { group, topics: [topic], from: 'earliest', starts } as const
    const heard = new Listener()
    const member = await driver.records.source.join({ ...options, handlers: heard })
    const begun = [0, 1].map((p) => heard.assignment(p))
    expect(begun.map(({ nextOffset, metadata }) => [nextOffset, metadata])).toEqual([
      [3, null],
      [3, null],
    ])
    await commitOffsets(member, next(heard.assignment(0), 4, 'mine'))
    await member.leave()
    const again = new Listener()
    const second = await driver.records.source.join({ ...options, handlers: again })
    expect([0, 1].map((p) => again.assignment(p).nextOffset)).toEqual([4, 3])
    await second.leave()
  })

  test('a member that says to begin where records were deleted does not join', async (driver) => {
    const topic = await driver.createTopic(1)
    await driver.produce(numbered(topic, 0, 5))
    await driver.deleteBefore(topic, 4)
    const starts = new Map([[partitionName({ topic, partition: 0 }), 3]])
    const options = { group: driver.freshGroup(), topics: [topic], from: 'earliest' } as const
    const joining = driver.records.source.join({ ...options, starts, handlers: new Listener() })
    await expect(joining).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
  })

  test('the first offset since a time is told of each partition', async (driver) => {
    const { topic } = await timed(driver)
    const name = partitionName({ topic, partition: 0 })
    for (const [timeMs, offset] of [
      [0, 0],
      [AT + 2_999, 3],
      [AT + 3_000, 3],
      [AT + 9_001, -1],
    ] as const) {
      expect(await driver.records.topics.offsetsSince(topic, timeMs)).toEqual(
        new Map([[name, offset]]),
      )
    }
  })
}

const values = () => Array.from({ length: 10 }, (_, n) => `${n}`)

/** So that not all of them come in one answer. */
const large = (value: string) => Buffer.from(value.padEnd(400_000))

/** A topic with ten records, one a second. */
async function timed(driver: Driver): Promise<{ topic: string; group: string }> {
  const topic = await driver.createTopic(1)
  await driver.produce(
    values().map((value, s) => {
      return record(topic, { value: Buffer.from(value), timestampMs: AT + s * 1_000 })
    }),
  )
  return { topic, group: driver.freshGroup() }
}
