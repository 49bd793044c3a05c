import { expect } from 'vitest'
import type { Commit, Guarantee, Member, NewRecord } from '../../src/connect/port.ts'
import { until } from '../services/cluster.ts'
import { thrownBy } from '../support/thrown.ts'
import {
  commitPassed,
  type DefineTest,
  type Driver,
  join,
  next,
  numbered,
  readUntil,
} from './driver.ts'
import { type Listener, record } from './listener.ts'

// The promises of every driver about a commit's outputs, as a reader of committed records sees them
// (rules C1, C2, C4).

/** Tests for either guarantee. */
export function guaranteeTests(test: DefineTest, guarantee: Guarantee): void {
  test('commits one after the other write each output once, in their order', async (driver) => {
    const { topic, outputs } = await topicsOf(driver)
    const meeting = { driver, group: driver.freshGroup(), topic, guarantee }
    const { member, heard } = await join(meeting)
    for (let n = 1; n <= 20; n++) {
      const nextOffsets = [next(heard.assignment(), 0, `${n}`)]
      await member.commit({ ...nothing, outputs: texts(outputs, `${n}`), nextOffsets })
    }
    const written = await readUntil(driver, outputs, (values) => values.length >= 20)
    expect(written).toEqual(Array.from({ length: 20 }, (_, i) => `${i + 1}`))
    await member.leave()
  })

  test('the last of quick commits becomes the offset of the group, though nothing follows', async (driver) => {
    const { topic, outputs } = await topicsOf(driver)
    const group = driver.freshGroup()
    const { member, heard } = await join({ driver, group, topic, guarantee })
    await commitQuickly({ member, heard }, outputs, 3)
    const committed = () => committedOf({ driver, group, topic })
    await until('committed', async () => (await committed()) === 3)
    expect(await committed()).toBe(3)
    await member.leave()
  })

  test('a member that leaves right after quick commits has committed the last of them', async (driver) => {
    const { topic, outputs } = await topicsOf(driver)
    const meeting = { driver, group: driver.freshGroup(), topic, guarantee }
    const { member, heard } = await join(meeting)
    await commitQuickly({ member, heard }, outputs, 3)
    await member.leave()
    const { offset, written } = await lookedAtByTheNext(meeting, outputs)
    expect({ offset, written }).toEqual({ offset: 3, written: ['1', '2', '3'] })
  })

  test('a partition that moves right after quick commits moves with the last of them', async (driver) => {
    const { topic, outputs } = await topicsOf(driver)
    const meeting = { driver, group: driver.freshGroup(), topic, guarantee }
    const { member: one, heard: first } = await join(meeting)
    const joining = join(meeting)
    // Commits as fast as the member takes them, until the group rebalances.
    let last: string | null = null
    for (let n = 1; first.losses.length === 0; n++) {
      const nextOffsets = [0, 1].map((p) => next(first.assignment(p), 4, `${n}`))
      const committing = one.commit({ ...nothing, outputs: texts(outputs, 'x'), nextOffsets })
      const isDone = await committing.then(
        () => true,
        () => false,
      )
      if (isDone && first.losses.length === 0) last = `${n}`
      if (!isDone) await new Promise((resolve) => setImmediate(resolve))
    }
    const { member: two, heard: second } = await joining
    expect(second.assignments[0]?.metadata).toBe(last)
    await two.leave()
    await one.leave()
  })

  test('two members commit at the same time, each for its own partition', async (driver) => {
    const { topic, outputs } = await topicsOf(driver)
    const meeting = { driver, group: driver.freshGroup(), topic, guarantee }
    const { one, two, first, second, moved } = await shared(meeting)
    await Promise.all([
      one.commit({
        ...nothing,
        outputs: numbered(outputs, 1 - moved, 300),
        nextOffsets: [next(first.assignment(1 - moved), 4)],
      }),
      two.commit({
        ...nothing,
        outputs: numbered(outputs, moved, 300),
        nextOffsets: [next(second.assignment(moved), 4)],
      }),
    ])
    const written = await readUntil(driver, outputs, (values) => values.length >= 600)
    expect(written).toHaveLength(600)
    await two.leave()
    await one.leave()
  })

  test('where a commit was on its way when its member left, its offset tells that its outputs are there', async (driver) => {
    const { topic, outputs } = await topicsOf(driver)
    const meeting = { driver, group: driver.freshGroup(), topic, guarantee }
    const { member, heard } = await join(meeting)
    await heard.until(() => heard.values().length === 4)
    const nextOffsets = [next(heard.assignment(), 4)]
    const committing = member.commit({ ...nothing, outputs: numbered(outputs, 0, 50), nextOffsets })
    const isDone = committing.then(
      () => true,
      () => false,
    )
    await member.leave()
    const { offset, written } = await lookedAtByTheNext(meeting, outputs)
    if (await isDone) expect(offset).toBe(4)
    if (offset === 4) expect(written).toHaveLength(50)
    else if (guarantee === 'exactly-once') expect(written).toEqual([])
  })
}

export function exactlyOnceTests(test: DefineTest): void {
  test('a reader sees all that a commit wrote to a partition or nothing of it, at any moment', async (driver) => {
    const { topic, outputs } = await topicsOf(driver)
    const { member, heard } = await join({ driver, group: driver.freshGroup(), topic })
    const committing = member.commit({
      ...nothing,
      outputs: numbered(outputs, 0, 3_000),
      nextOffsets: [next(heard.assignment(), 4)],
    })
    const seen = new Set<number>()
    await readUntil(driver, outputs, ({ length }) => {
      seen.add(length)
      return length >= 3_000
    })
    expect([...seen].filter((count) => count !== 0)).toEqual([3_000])
    await committing
    await member.leave()
  })

  for (const [cause, code] of [
    ['a topic that is not there', 'TOPIC_MISSING'],
    ['a record that is over the limit of its topic', 'TOPIC_LIMITS'],
  ] as const) {
    test(`a commit that fails part-way, for ${cause}, leaves nothing`, async (driver) => {
      const { topic, outputs } = await topicsOf(driver)
      const narrow = await driver.createTopic(1, { maxMessageBytes: 1_000 })
      const meeting = { driver, group: driver.freshGroup(), topic }
      const { member, heard } = await join(meeting)
      const refused =
        code === 'TOPIC_MISSING'
          ? record(`${topic}-absent`)
          : record(narrow, { value: Buffer.alloc(5_000) })
      const failing = member.commit({
        outputs: numbered(outputs, 0, 10),
        deadLetters: [...numbered(outputs, 1, 10), refused],
        nextOffsets: [next(heard.assignment(), 4)],
      })
      expect((await thrownBy(failing)).code).toBe(code)
      await member.leave()
      expect(await lookedAtByTheNext(meeting, outputs)).toEqual({ offset: 0, written: [] })
    })
  }

  test('what a partition had pending when it moved is published once, by its new owner (C1)', async (driver) => {
    const { topic, outputs } = await topicsOf(driver)
    const meeting = { driver, group: driver.freshGroup(), topic }
    const { one, two, first, second, moved } = await shared(meeting)
    const kept = 1 - moved
    const ofKept = { outputs: texts(outputs, 'kept'), next: next(first.assignment(kept), 4) }
    const ofMoved = { outputs: texts(outputs, 'moved'), next: next(first.assignment(moved), 4) }
    await commitPassed('exactly-once', one, {
      ...nothing,
      outputs: [...ofKept.outputs, ...ofMoved.outputs],
      nextOffsets: [ofKept.next, ofMoved.next],
    })
    await one.commit({ ...nothing, outputs: ofKept.outputs, nextOffsets: [ofKept.next] })
    const nextOffsets = [next(second.assignment(moved), 4)]
    await two.commit({ ...nothing, outputs: ofMoved.outputs, nextOffsets })
    await two.leave()
    await one.leave()
    const { written } = await lookedAtByTheNext(meeting, outputs)
    expect(written.toSorted()).toEqual(['kept', 'moved'])
  })
}

const nothing: Commit = { outputs: [], deadLetters: [], nextOffsets: [] }

/** A source of two partitions with 4 records each, and a topic for outputs. */
async function topicsOf(driver: Driver) {
  const [topic, outputs] = [await driver.createTopic(2), await driver.createTopic(2)]
  await driver.produce([...numbered(topic, 0, 4), ...numbered(topic, 1, 4)])
  return { topic, outputs }
}

function texts(topic: string, ...values: string[]): NewRecord[] {
  return values.map((value) => record(topic, { value: Buffer.from(value) }))
}

type Meeting = Parameters<typeof join>[0]

/** Commits one after the other, each with an output and an offset: 1, 2, 3 … */
async function commitQuickly(
  { member, heard }: { member: Member; heard: Listener },
  outputs: string,
  times: number,
): Promise<void> {
  for (let n = 1; n <= times; n++) {
    const nextOffsets = [next(heard.assignment(), n, `${n}`)]
    await member.commit({ ...nothing, outputs: texts(outputs, `${n}`), nextOffsets })
  }
}

async function committedOf({ driver, group, topic }: Meeting): Promise<number | undefined> {
  const [offsets] = await driver.records.source.offsets(group, topic)
  return offsets?.committed?.nextOffset
}

/** Two members, of which the first had both partitions and has lost one, with all it had read. */
async function shared(meeting: Meeting) {
  const { member: one, heard: first } = await join(meeting)
  await first.until(() => first.values(0).length === 4 && first.values(1).length === 4)
  const { member: two, heard: second } = await join(meeting)
  await first.until(() => first.losses.length === 1)
  await second.until(() => second.assignments.length === 1)
  const moved = second.assignments[0]?.partition as number
  return { one, two, first, second, moved }
}

/**
 * Where the next member begins, and what stands in the outputs when one of its own, which nothing
 * passes, can be read.
 */
async function lookedAtByTheNext(meeting: Meeting, outputs: string) {
  const { member, heard } = await join(meeting)
  const { nextOffset: offset } = heard.assignment()
  const ends = [0, 1].map((partition) => record(outputs, { partition, value: Buffer.from('end') }))
  await member.commit({
    ...nothing,
    outputs: ends,
    nextOffsets: [next(heard.assignment(), offset)],
  })
  await member.leave()
  const isEnd = (value: string) => value === 'end'
  const all = await readUntil(meeting.driver, outputs, (v) => v.filter(isEnd).length === 2)
  return { offset, written: all.filter((value) => !isEnd(value)) }
}
