import { describe, expect } from 'vitest'
import { partitionOf } from '../../src/connect/memory/log.ts'
import { type Guarantee, type LogRecord, MOST_METADATA_BYTES } from '../../src/connect/port.ts'
import { thrownBy } from '../support/thrown.ts'
import { commitOffsets, type DefineTest, join, next, numbered, readUntil } from './driver.ts'
import { followingTests } from './following-contract.ts'
import { exactlyOnceTests, guaranteeTests } from './guarantee-contract.ts'
import { Listener, record } from './listener.ts'
import { ownersTests } from './owners-contract.ts'
import { rebalancedCommitTests, rebalancingTests } from './rebalancing-contract.ts'
import { topicSourceContract } from './source-contract.ts'
import { startingTests } from './starting-contract.ts'

// The promises of every driver, run by one test file per driver.

const AT = 1_700_000_000_000

/** The whole contract. `test` runs each part of it on a fresh driver. */
export function recordsContract(test: DefineTest): void {
  describe('a source', () => {
    topicSourceContract(test)
  })
  describe('reading', () => {
    readingTests(test)
  })
  describe('starting', () => {
    startingTests(test)
  })
  describe('following', () => {
    followingTests(test)
  })
  describe('rebalancing', () => {
    rebalancingTests(test)
  })
  describe('telling owners', () => {
    ownersTests(test)
  })
  describe.each(['exactly-once', 'at-least-once'] as const)('committing %s', (guarantee) => {
    committingTests(test, guarantee)
    guaranteeTests(test, guarantee)
    rebalancedCommitTests(test, guarantee)
  })
  describe('committing exactly-once', () => {
    exactlyOnceTests(test)
  })
}

function readingTests(test: DefineTest): void {
  test('headers, null key, null value and timestamp come as they were written', async (driver) => {
    const topic = await driver.createTopic(1)
    const headers = [
      { name: 'a', value: Buffer.from([0, 255]) },
      { name: 'b', value: Buffer.alloc(0) },
      { name: '__proto__', value: Buffer.from('x') },
      { name: 'constructor', value: Buffer.from('y') },
      { name: 'twice', value: Buffer.from('1') },
      { name: 'twice', value: Buffer.from('2') },
    ]
    await driver.produce([
      record(topic, { key: null, value: Buffer.from('1'), headers }),
      record(topic, { value: null, timestampMs: AT + 7 }),
    ])
    const { member, heard } = await join({ driver, group: driver.freshGroup(), topic })
    await heard.until(() => heard.values().length === 2)
    const records = heard.chunks.flatMap((chunk) => [...chunk.records])
    expect(records.map(partsOf)).toEqual([
      { offset: 0, timestampMs: AT, key: null, value: Buffer.from('1'), headers },
      { offset: 1, timestampMs: AT + 7, key: Buffer.from('k'), value: null, headers: [] },
    ])
    await member.leave()
  })

  test('a partition read to its end is reported, also an empty one and again after more', async (driver) => {
    const topic = await driver.createTopic(2)
    await driver.produce(numbered(topic, 0, 3))
    const { member, heard } = await join({ driver, group: driver.freshGroup(), topic })
    await heard.until(() => heard.hasReached(3) && heard.hasReached(0, 1))
    await driver.produce(numbered(topic, 1, 2))
    await heard.until(() => heard.hasReached(2, 1))
    expect(heard.values(1)).toEqual(['0', '1'])
    await member.leave()
  })

  test('pause stops a partition after at most one chunk, resume goes on without a gap', async (driver) => {
    const topic = await driver.createTopic(2)
    const { member, heard } = await join({ driver, group: driver.freshGroup(), topic })
    const paused = heard.assignment(0)
    member.pause(paused)
    for (let round = 1; round <= 3; round++) {
      // The other partition shows that records are flowing meanwhile.
      await driver.produce([...numbered(topic, 0, 10), ...numbered(topic, 1, 1)])
      await heard.until(() => heard.values(1).length === round)
    }
    expect(heard.chunks.filter((c) => c.partition === 0).length).toBeLessThanOrEqual(1)
    member.resume(paused)
    await heard.until(() => heard.values(0).length === 30)
    const offsets = heard.chunks
      .filter((c) => c.partition === 0)
      .flatMap((c) => Array.from(c.records, (r) => r.offset))
    expect(offsets).toEqual(Array.from({ length: 30 }, (_, i) => i))
    await member.leave()
  })

  test('a partition that is stopped as it is assigned gives nothing before it is resumed', async (driver) => {
    const topic = await driver.createTopic(2)
    await driver.produce([...numbered(topic, 0, 3), ...numbered(topic, 1, 3)])
    const heard = new Listener(
      () => {},
      (assignment, pausable) => {
        if (assignment.partition === 0) pausable.pause(assignment)
        return assignment.nextOffset
      },
    )
    const { member } = await join({ driver, group: driver.freshGroup(), topic }, heard)
    await heard.until(() => heard.values(1).length === 3)
    expect(heard.values(0)).toEqual([])
    member.resume(heard.assignment(0))
    await heard.until(() => heard.values(0).length === 3)
    await member.leave()
  })

  test('without a commit a partition begins at the end of the log that was asked for', async (driver) => {
    const topic = await driver.createTopic(1)
    await driver.produce(numbered(topic, 0, 3))
    const { member, heard } = await join({
      driver,
      group: driver.freshGroup(),
      topic,
      from: 'latest',
    })
    expect(heard.assignment()).toMatchObject({ nextOffset: 3, metadata: null, lowOffset: 0 })
    await heard.until(() => heard.hasReached(3))
    await driver.produce(numbered(topic, 0, 1))
    await heard.until(() => heard.hasReached(4))
    expect(heard.values()).toEqual(['0'])
    await member.leave()
  })

  test('reading begins where the handler says, also before what was committed', async (driver) => {
    const topic = await driver.createTopic(1)
    const group = driver.freshGroup()
    await driver.produce(numbered(topic, 0, 5))
    const { member: one, heard: first } = await join({ driver, group, topic })
    await commitOffsets(one, next(first.assignment(), 4))
    await one.leave()
    const replaying = new Listener(
      () => {},
      () => 2,
    )
    const { member: two, heard: second } = await join({ driver, group, topic }, replaying)
    expect(second.assignment()).toMatchObject({ nextOffset: 4, lowOffset: 0 })
    await second.until(() => second.hasReached(5))
    expect(second.values()).toEqual(['2', '3', '4'])
    await two.leave()
  })

  for (const start of [-1, 4]) {
    test(`reading cannot begin at ${start} of 0 to 3`, async (driver) => {
      const topic = await driver.createTopic(1)
      await driver.produce(numbered(topic, 0, 3))
      const heard = new Listener(
        () => {},
        () => start,
      )
      const joining = join({ driver, group: driver.freshGroup(), topic, from: 'latest' }, heard)
      expect((await thrownBy(joining)).code).toBe('INVARIANT')
      expect(heard.chunks).toEqual([])
    })
  }

  test('partitionOffsets say how far the group and the log are, without joining', async (driver) => {
    const topic = await driver.createTopic(2)
    const group = driver.freshGroup()
    await driver.produce(numbered(topic, 1, 3))
    const nothing = [
      { topic, partition: 0, committed: null, lowOffset: 0, endOffset: 0 },
      { topic, partition: 1, committed: null, lowOffset: 0, endOffset: 3 },
    ]
    expect(await driver.records.source.offsets(group, topic)).toEqual(nothing)
    const { member, heard } = await join({ driver, group, topic })
    await heard.until(() => heard.values(1).length === 3)
    await commitOffsets(member, next(heard.assignment(1), 2, 'm'))
    const committed = { nextOffset: 2, metadata: 'm' }
    // A broker may take the end of a transaction before everybody sees what it has committed.
    const seen = async () =>
      (await driver.records.source.offsets(group, topic))[1]?.committed?.metadata
    while ((await seen()) !== 'm');
    expect(await driver.records.source.offsets(group, topic)).toEqual([
      nothing[0],
      { ...nothing[1], committed },
    ])
    await member.leave()
    const absent = driver.records.source.offsets(group, `${topic}-absent`)
    expect((await thrownBy(absent)).code).toBe('TOPIC_MISSING')
  })

  test('all records of a partition can be read, without joining', async (driver) => {
    const topic = await driver.createTopic(2)
    expect(await driver.records.topics.readAll({ topic, partition: 1 })).toEqual([])
    await driver.produce([...numbered(topic, 0, 3), ...numbered(topic, 1, 2_500)])
    const read = await driver.records.topics.readAll({ topic, partition: 1 })
    expect(read.map(({ value }) => String(value))).toEqual(
      numbered(topic, 1, 2_500).map(({ value }) => String(value)),
    )
    expect(read.map(({ offset }) => offset)).toEqual(read.map((_, i) => i))
    await driver.deleteBefore(topic, 2)
    const rest = await driver.records.topics.readAll({ topic, partition: 0 })
    expect(rest.map(({ value }) => String(value))).toEqual(['2'])
    const absent = driver.records.topics.readAll({ topic: `${topic}-absent`, partition: 0 })
    expect((await thrownBy(absent)).code).toBe('TOPIC_MISSING')
  })

  test('topics are made as they are asked for; one that is there stays as it is', async (driver) => {
    const topic = await driver.createTopic(1)
    const name = `${topic}-more`
    const config = { 'cleanup.policy': 'compact' }
    await driver.records.topics.create([
      { name, partitions: 3, replicas: -1, config },
      { name: topic, partitions: 3, replicas: -1, config },
    ])
    const described = await driver.records.topics.describe([topic, name])
    const made = { partitions: 3, isCompacted: true, isTrimmed: false }
    expect(described.get(name)).toMatchObject(made)
    expect(described.get(topic)).toMatchObject({ partitions: 1, isCompacted: false })
  })

  test('a topic that is not there is not described, and one that is, is', async (driver) => {
    const topic = await driver.createTopic(3)
    const described = await driver.records.topics.describe([topic, `${topic}-absent`])
    expect([...described.keys()]).toEqual([topic])
    expect(described.get(topic)).toMatchObject({ name: topic, partitions: 3, isCompacted: false })
  })
}

function committingTests(test: DefineTest, guarantee: Guarantee): void {
  test('the next member starts at the committed offset and gets its metadata', async (driver) => {
    const topic = await driver.createTopic(1)
    const group = driver.freshGroup()
    await driver.produce(numbered(topic, 0, 5))
    const { member: one, heard: first } = await join({ driver, group, topic, guarantee })
    expect(first.assignment()).toMatchObject({ nextOffset: 0, metadata: null })
    await first.until(() => first.values().length === 5)
    await commitOffsets(one, next(first.assignment(), 3, '{"note":"ü"}'))
    await one.leave()
    const { member: two, heard: second } = await join({ driver, group, topic, guarantee })
    expect(second.assignment()).toMatchObject({ nextOffset: 3, metadata: '{"note":"ü"}' })
    await second.until(() => second.values().length === 2)
    expect(second.values()).toEqual(['3', '4'])
    expect(second.assignment().epoch).toBeGreaterThan(first.assignment().epoch)
    await two.leave()
  })

  test("the longest metadata is taken and comes back, however long the group's name is", async (driver) => {
    const topic = await driver.createTopic(1)
    // The length of the command line's group name for 16 topology names of 100 characters.
    const group = driver.freshGroup().padEnd(16 * 101 - 1, 'g')
    const metadata = 'ü'.repeat(MOST_METADATA_BYTES / 2)
    await driver.produce(numbered(topic, 0, 2))
    const { member, heard } = await join({ driver, group, topic, guarantee })
    await commitOffsets(member, next(heard.assignment(), 1, metadata))
    await member.leave()
    const { member: again, heard: later } = await join({ driver, group, topic, guarantee })
    expect(later.assignment()).toMatchObject({ nextOffset: 1, metadata })
    await commitOffsets(again, next(later.assignment(), 2, metadata))
    await again.leave()
  })

  test("another's metadata that fills all the room there is does not hold up a commit", async (driver) => {
    const topic = await driver.createTopic(1)
    const group = driver.freshGroup()
    await driver.produce(numbered(topic, 0, 2))
    await driver.setOffset({ group, topic, nextOffset: 1, metadata: 'x'.repeat(4_096) })
    const { member, heard } = await join({ driver, group, topic, guarantee })
    expect(heard.assignment().metadata).toHaveLength(4_096)
    await commitOffsets(member, next(heard.assignment(), 2, 'mine'))
    await member.leave()
    const { member: again, heard: later } = await join({ driver, group, topic, guarantee })
    expect(later.assignment()).toMatchObject({ nextOffset: 2, metadata: 'mine' })
    await again.leave()
  })

  test('a start can be claimed before anything was read', async (driver) => {
    const topic = await driver.createTopic(1)
    const group = driver.freshGroup()
    await driver.produce(numbered(topic, 0, 2))
    const { member, heard } = await join({ driver, group, topic, guarantee, from: 'latest' })
    expect(heard.chunks).toEqual([])
    await commitOffsets(member, next(heard.assignment(), 2, 'claim'))
    await driver.produce(numbered(topic, 0, 1))
    await member.leave()
    const { member: again, heard: later } = await join({
      driver,
      group,
      topic,
      guarantee,
      from: 'latest',
    })
    expect(later.assignment()).toMatchObject({ nextOffset: 2, metadata: 'claim' })
    await again.leave()
  })

  test('outputs and dead letters of a commit stand in the log, in their order', async (driver) => {
    const [topic, outputs, letters] = [
      await driver.createTopic(1),
      await driver.createTopic(2),
      await driver.createTopic(1),
    ]
    await driver.produce(numbered(topic, 0, 1))
    const { member, heard } = await join({ driver, group: driver.freshGroup(), topic, guarantee })
    await heard.until(() => heard.values().length === 1)
    await member.commit({
      outputs: [...numbered(outputs, 0, 1_500), ...numbered(outputs, 1, 3)],
      deadLetters: [record(letters, { value: Buffer.from('dead') })],
      nextOffsets: [next(heard.assignment(), 1)],
    })
    const expected = [...numbered(outputs, 0, 1_500), ...numbered(outputs, 1, 3)]
    const written = await readUntil(driver, outputs, (values) => values.length >= expected.length)
    expect(written).toEqual(expected.map((r) => String(r.value)))
    expect(await readUntil(driver, letters, (values) => values.length > 0)).toEqual(['dead'])
    await member.leave()
  })

  test('no offset is committed when an output cannot be written', async (driver) => {
    const topic = await driver.createTopic(1)
    const group = driver.freshGroup()
    await driver.produce(numbered(topic, 0, 2))
    const { member, heard } = await join({ driver, group, topic, guarantee })
    await heard.until(() => heard.values().length === 2)
    const commit = { deadLetters: [], nextOffsets: [next(heard.assignment(), 2)] }
    const failing = member.commit({ ...commit, outputs: [record(`${topic}-absent`)] })
    expect((await thrownBy(failing)).code).toBe('TOPIC_MISSING')
    await member.leave()
    const { member: again, heard: later } = await join({ driver, group, topic, guarantee })
    expect(later.assignment().nextOffset).toBe(0)
    await again.leave()
  })

  test('a record without a partition goes where its key goes in Java', async (driver) => {
    const topic = await driver.createTopic(5)
    const keys = ['21', 'foobar', 'a-little-bit-long-string', 'abc', 'ü']
    await driver.produce(
      keys.map((key) => record(topic, { partition: null, key: Buffer.from(key) })),
    )
    await driver.produce([record(topic, { partition: null, key: null })])
    const { member, heard } = await join({ driver, group: driver.freshGroup(), topic, guarantee })
    await heard.until(() => heard.chunks.flatMap((c) => [...c.records]).length === keys.length + 1)
    for (const chunk of heard.chunks) {
      for (const { key } of chunk.records) {
        expect(chunk.partition).toBe(partitionOf({ partition: null, key }, 5))
      }
    }
    await member.leave()
  })

  test('an offset committed beyond the end of the log is refused, never replaced', async (driver) => {
    const topic = await driver.createTopic(1)
    const group = driver.freshGroup()
    await driver.produce(numbered(topic, 0, 2))
    const { member, heard } = await join({ driver, group, topic, guarantee })
    await heard.until(() => heard.values().length === 2)
    await commitOffsets(member, next(heard.assignment(), 1_000))
    await member.leave()
    const later = new Listener()
    const attempt = () =>
      driver.records.source.join({
        group,
        topics: [topic],
        from: 'earliest',
        guarantee,
        handlers: later,
      })
    expect((await thrownBy(attempt())).code).toBe('OFFSET_OUT_OF_RANGE')
    expect(later.assignments).toEqual([])
    // The failed attempt has not moved the offset.
    expect((await thrownBy(attempt())).code).toBe('OFFSET_OUT_OF_RANGE')
  })

  test('after leaving, a commit is refused as fenced and nothing more is heard', async (driver) => {
    const topic = await driver.createTopic(1)
    const group = driver.freshGroup()
    await driver.produce(numbered(topic, 0, 1))
    const { member, heard } = await join({ driver, group, topic, guarantee })
    await heard.until(() => heard.values().length === 1)
    await member.leave()
    const late = commitOffsets(member, next(heard.assignment(), 1))
    expect((await thrownBy(late)).code).toBe('FENCED')
    const { member: two, heard: other } = await join({ driver, group, topic, guarantee })
    await other.until(() => other.values().length === 1)
    expect(heard.values()).toEqual(['0'])
    await two.leave()
  })
}

/** A driver may make the parts only when they are asked for. */
function partsOf({ offset, timestampMs, key, value, headers }: LogRecord): LogRecord {
  return { offset, timestampMs, key, value, headers }
}
