import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect } from 'vitest'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { partitionOf } from '../../src/records/partitioner.ts'
import type {
  Assignment,
  Chunk,
  LogRecord,
  Member,
  MemberHandlers,
  NewRecord,
  NextOffset,
  Records,
  TopicPartition,
} from '../../src/records/port.ts'

// What every driver promises. Run by one test file per driver.

/** A driver under test, with what the port itself does not offer. */
export interface Driver {
  readonly records: Records
  createTopic(partitions: number): Promise<string>
  freshGroup(): string
  produce(records: readonly NewRecord[]): Promise<void>
  /** What stands in a topic, each partition in order, one after the other. */
  read(topic: string): Promise<LogRecord[]>
  close(): Promise<void>
}

type DefineTest = (name: string, fn: (driver: Driver) => Promise<void>) => void

const AT = 1_700_000_000_000

/** A record with defaults that do not matter to the test. */
export function record(topic: string, fields: Partial<NewRecord> = {}): NewRecord {
  return {
    topic,
    partition: 0,
    key: Buffer.from('k'),
    value: Buffer.from('v'),
    timestampMs: AT,
    headers: [],
    ...fields,
  }
}

function numbered(topic: string, partition: number, count: number): NewRecord[] {
  return Array.from({ length: count }, (_, i) =>
    record(topic, { partition, value: Buffer.from(`${i}`) }),
  )
}

/** Keeps what a driver says, and lets a test wait for it. */
class Listener implements MemberHandlers {
  readonly assignments: Assignment[] = []
  readonly losses: TopicPartition[] = []
  readonly chunks: Chunk[] = []
  readonly ends: { partition: TopicPartition; endOffset: number }[] = []
  #failure: Error | null = null

  assigned(assignments: readonly Assignment[]): void {
    this.assignments.push(...assignments)
  }

  lost(partitions: readonly TopicPartition[]): void {
    this.losses.push(...partitions)
  }

  chunk(chunk: Chunk): void {
    this.chunks.push(chunk)
  }

  caughtUp(partition: TopicPartition, endOffset: number): void {
    this.ends.push({ partition, endOffset })
  }

  failed(error: Error): void {
    this.#failure = error
  }

  /** Resolves as soon as the condition holds. @throws what the member failed with; the test's time limit ends a wait in vain */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#failure !== null) throw this.#failure
      await sleep(5)
    }
  }

  values(partition = 0): string[] {
    return this.chunks
      .filter((chunk) => chunk.partition === partition)
      .flatMap((chunk) => chunk.records.map((r) => String(r.value)))
  }

  assignment(partition = 0): Assignment {
    const found = this.assignments.findLast((a) => a.partition === partition)
    if (found === undefined) throw new Error(`partition ${partition} was not assigned`)
    return found
  }
}

/** Where members of a test meet. */
interface Meeting {
  readonly driver: Driver
  readonly group: string
  readonly topic: string
}

function join({ driver, group, topic }: Meeting, handlers: MemberHandlers): Promise<Member> {
  return driver.records.join({ group, topics: [topic], handlers })
}

function next(assignment: Assignment, nextOffset: number, metadata = ''): NextOffset {
  const { topic, partition, epoch } = assignment
  return { topic, partition, epoch, nextOffset, metadata }
}

function commitOffsets(member: Member, ...nextOffsets: NextOffset[]): Promise<void> {
  return member.commit({ outputs: [], deadLetters: [], nextOffsets })
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    return error instanceof TidemarkError ? error.code : String(error)
  }
  return 'no error'
}

/** The whole contract. `test` runs each part of it on a fresh driver. */
export function recordsContract(test: DefineTest): void {
  describe('reading', () => {
    readingTests(test)
  })
  describe('committing', () => {
    committingTests(test)
  })
  describe('rebalancing', () => {
    rebalancingTests(test)
  })
}

function readingTests(test: DefineTest): void {
  test('records of a partition come in log order, without a gap', async (driver) => {
    const topic = await driver.createTopic(1)
    await driver.produce(numbered(topic, 0, 2_500))
    const heard = new Listener()
    const member = await join({ driver, group: driver.freshGroup(), topic }, heard)
    await heard.until(() => heard.values().length === 2_500)
    expect(heard.values()).toEqual(numbered(topic, 0, 2_500).map((r) => String(r.value)))
    let expected = 0
    for (const chunk of heard.chunks) {
      expect(chunk.records[0]?.offset).toBe(expected)
      expect(chunk.epoch).toBe(heard.assignment().epoch)
      expect(chunk.endOffset).toBe(2_500)
      expected = chunk.nextOffset
    }
    expect(expected).toBe(2_500)
    await member.leave()
  })

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
    const heard = new Listener()
    const member = await join({ driver, group: driver.freshGroup(), topic }, heard)
    await heard.until(() => heard.values().length === 2)
    const records = heard.chunks.flatMap((chunk) => chunk.records)
    expect(records).toEqual([
      { offset: 0, timestampMs: AT, key: null, value: Buffer.from('1'), headers },
      { offset: 1, timestampMs: AT + 7, key: Buffer.from('k'), value: null, headers: [] },
    ])
    await member.leave()
  })

  test('a partition read to its end is reported, also an empty one and again after more', async (driver) => {
    const topic = await driver.createTopic(2)
    await driver.produce(numbered(topic, 0, 3))
    const heard = new Listener()
    const member = await join({ driver, group: driver.freshGroup(), topic }, heard)
    const reported = (partition: number, endOffset: number) =>
      heard.ends.some((e) => e.partition.partition === partition && e.endOffset === endOffset)
    await heard.until(() => reported(0, 3) && reported(1, 0))
    await driver.produce(numbered(topic, 1, 2))
    await heard.until(() => reported(1, 2))
    expect(heard.values(1)).toEqual(['0', '1'])
    await member.leave()
  })

  test('pause stops a partition after at most one chunk, resume goes on without a gap', async (driver) => {
    const topic = await driver.createTopic(2)
    const heard = new Listener()
    const member = await join({ driver, group: driver.freshGroup(), topic }, heard)
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
      .flatMap((c) => c.records.map((r) => r.offset))
    expect(offsets).toEqual(Array.from({ length: 30 }, (_, i) => i))
    await member.leave()
  })

  test('a topic that is not there is not described, and one that is, is', async (driver) => {
    const topic = await driver.createTopic(3)
    const described = await driver.records.describeTopics([topic, `${topic}-absent`])
    expect([...described.keys()]).toEqual([topic])
    expect(described.get(topic)).toMatchObject({ name: topic, partitions: 3 })
  })
}

function committingTests(test: DefineTest): void {
  test('the next member starts at the committed offset and gets its metadata', async (driver) => {
    const topic = await driver.createTopic(1)
    const group = driver.freshGroup()
    await driver.produce(numbered(topic, 0, 5))
    const first = new Listener()
    const one = await join({ driver, group, topic }, first)
    expect(first.assignment()).toMatchObject({ nextOffset: 0, metadata: '' })
    await first.until(() => first.values().length === 5)
    await commitOffsets(one, next(first.assignment(), 3, '{"note":"ü"}'))
    await one.leave()
    const second = new Listener()
    const two = await join({ driver, group, topic }, second)
    expect(second.assignment()).toMatchObject({ nextOffset: 3, metadata: '{"note":"ü"}' })
    await second.until(() => second.values().length === 2)
    expect(second.values()).toEqual(['3', '4'])
    expect(second.assignment().epoch).toBeGreaterThan(first.assignment().epoch)
    await two.leave()
  })

  test('outputs and dead letters stand in the log when a commit is done, in their order', async (driver) => {
    const [topic, outputs, letters] = [
      await driver.createTopic(1),
      await driver.createTopic(2),
      await driver.createTopic(1),
    ]
    await driver.produce(numbered(topic, 0, 1))
    const heard = new Listener()
    const member = await join({ driver, group: driver.freshGroup(), topic }, heard)
    await heard.until(() => heard.values().length === 1)
    await member.commit({
      outputs: [...numbered(outputs, 0, 1_500), ...numbered(outputs, 1, 3)],
      deadLetters: [record(letters, { value: Buffer.from('dead') })],
      nextOffsets: [next(heard.assignment(), 1)],
    })
    const written = await driver.read(outputs)
    const expected = [...numbered(outputs, 0, 1_500), ...numbered(outputs, 1, 3)]
    expect(written.map((r) => String(r.value))).toEqual(expected.map((r) => String(r.value)))
    expect((await driver.read(letters)).map((r) => String(r.value))).toEqual(['dead'])
    await member.leave()
  })

  test('no offset is committed when an output cannot be written', async (driver) => {
    const topic = await driver.createTopic(1)
    const group = driver.freshGroup()
    await driver.produce(numbered(topic, 0, 2))
    const heard = new Listener()
    const member = await join({ driver, group, topic }, heard)
    await heard.until(() => heard.values().length === 2)
    const commit = { deadLetters: [], nextOffsets: [next(heard.assignment(), 2)] }
    const failing = member.commit({ ...commit, outputs: [record(`${topic}-absent`)] })
    expect(await codeOf(failing)).toBe('TOPIC_MISSING')
    await member.leave()
    const later = new Listener()
    const again = await join({ driver, group, topic }, later)
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
    const heard = new Listener()
    const member = await join({ driver, group: driver.freshGroup(), topic }, heard)
    await heard.until(() => heard.chunks.flatMap((c) => c.records).length === keys.length + 1)
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
    const heard = new Listener()
    const member = await join({ driver, group, topic }, heard)
    await heard.until(() => heard.values().length === 2)
    await commitOffsets(member, next(heard.assignment(), 1_000))
    await member.leave()
    const later = new Listener()
    expect(await codeOf(join({ driver, group, topic }, later))).toBe('OFFSET_OUT_OF_RANGE')
    expect(later.assignments).toEqual([])
    // The failed attempt has not moved the offset.
    expect(await codeOf(join({ driver, group, topic }, later))).toBe('OFFSET_OUT_OF_RANGE')
  })

  test('after leaving, a commit is refused as fenced and nothing more is heard', async (driver) => {
    const topic = await driver.createTopic(1)
    const group = driver.freshGroup()
    await driver.produce(numbered(topic, 0, 1))
    const heard = new Listener()
    const member = await join({ driver, group, topic }, heard)
    await heard.until(() => heard.values().length === 1)
    await member.leave()
    expect(await codeOf(commitOffsets(member, next(heard.assignment(), 1)))).toBe('FENCED')
    const other = new Listener()
    const two = await join({ driver, group, topic }, other)
    await other.until(() => other.values().length === 1)
    expect(heard.values()).toEqual(['0'])
    await two.leave()
  })

  test('after stopFetching nothing more is read, but commits are taken', async (driver) => {
    const topic = await driver.createTopic(1)
    const group = driver.freshGroup()
    await driver.produce(numbered(topic, 0, 1))
    const heard = new Listener()
    const member = await join({ driver, group, topic }, heard)
    await heard.until(() => heard.values().length === 1)
    member.stopFetching()
    await driver.produce(numbered(topic, 0, 1))
    await commitOffsets(member, next(heard.assignment(), 1))
    await member.leave()
    expect(heard.values()).toEqual(['0'])
    const later = new Listener()
    const again = await join({ driver, group, topic }, later)
    expect(later.assignment().nextOffset).toBe(1)
    await again.leave()
  })
}

function rebalancingTests(test: DefineTest): void {
  test('two members share the partitions; what one has lost it cannot commit', async (driver) => {
    const topic = await driver.createTopic(2)
    const group = driver.freshGroup()
    await driver.produce([...numbered(topic, 0, 4), ...numbered(topic, 1, 4)])
    const [first, second] = [new Listener(), new Listener()]
    const one = await join({ driver, group, topic }, first)
    await first.until(() => first.values(0).length === 4 && first.values(1).length === 4)
    const [of0, of1] = [first.assignment(0), first.assignment(1)]
    const two = await join({ driver, group, topic }, second)
    await first.until(() => first.losses.length === 1 && second.assignments.length === 1)
    const moved = second.assignments[0]?.partition
    expect(first.losses).toEqual([{ topic, partition: moved }])
    await commitOffsets(one, next(of0, 4, 'one'), next(of1, 4, 'one'))
    await one.leave()
    await two.leave()
    const third = new Listener()
    const three = await join({ driver, group, topic }, third)
    const offsets = [0, 1].map((p) => third.assignment(p).nextOffset)
    expect(offsets).toEqual(moved === 0 ? [0, 4] : [4, 0])
    await three.leave()
  })

  test('a kept partition goes on at its own position, neither repeated nor skipped', async (driver) => {
    const topic = await driver.createTopic(2)
    const group = driver.freshGroup()
    await driver.produce([...numbered(topic, 0, 4), ...numbered(topic, 1, 4)])
    const [first, second] = [new Listener(), new Listener()]
    const one = await join({ driver, group, topic }, first)
    await first.until(() => first.values(0).length === 4 && first.values(1).length === 4)
    const two = await join({ driver, group, topic }, second)
    await first.until(() => first.losses.length === 1 && second.chunks.length > 0)
    const moved = second.assignments[0]?.partition ?? 0
    const kept = 1 - moved
    // Nothing was committed: the one that moved begins anew, the one that stayed does not.
    expect(second.values(moved)).toEqual(['0', '1', '2', '3'])
    await driver.produce(numbered(topic, kept, 2))
    await first.until(() => first.values(kept).length > 4)
    await first.until(() => first.ends.some((e) => e.endOffset === 6))
    expect(first.values(kept)).toEqual(['0', '1', '2', '3', '0', '1'])
    expect(first.assignments.filter((a) => a.partition === kept)).toHaveLength(1)
    await two.leave()
    await one.leave()
  })

  test('leaving hands the partitions over at the committed offsets, under a new epoch', async (driver) => {
    const topic = await driver.createTopic(2)
    const group = driver.freshGroup()
    await driver.produce([...numbered(topic, 0, 4), ...numbered(topic, 1, 4)])
    const [first, second] = [new Listener(), new Listener()]
    const one = await join({ driver, group, topic }, first)
    const two = await join({ driver, group, topic }, second)
    await first.until(() => first.losses.length === 1 && second.assignments.length === 1)
    const moved = second.assignments[0]?.partition ?? 0
    await second.until(() => second.values(moved).length === 4)
    await commitOffsets(two, next(second.assignment(moved), 3, 'two'))
    await two.leave()
    await first.until(() => first.assignments.length === 3)
    const back = first.assignment(moved)
    expect(back).toMatchObject({ nextOffset: 3, metadata: 'two' })
    expect(back.epoch).toBeGreaterThan(second.assignment(moved).epoch)
    await first.until(() => first.values(moved).at(-1) === '3')
    // Under the epoch that has passed nothing is committed.
    await commitOffsets(one, { ...next(back, 4), epoch: back.epoch - 1 })
    await one.leave()
    const third = new Listener()
    const three = await join({ driver, group, topic }, third)
    expect(third.assignment(moved).nextOffset).toBe(3)
    await three.leave()
  })
}
