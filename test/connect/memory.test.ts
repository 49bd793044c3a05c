import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import { type Member, MOST_CHUNK_RECORDS } from '../../src/connect/port.ts'
import { thrownBy } from '../support/thrown.ts'
import { recordsContract } from './contract.ts'
import type { Driver } from './driver.ts'
import { Listener, record } from './listener.ts'

let names = 0
const fresh = (what: string) => {
  names++
  return `${what}-${names}`
}

function open(): Driver {
  const records = new MemoryRecords({ chunkRecords: 400 })
  return {
    records,
    createTopic: async (partitions, options) => {
      const topic = fresh('topic')
      records.createTopic(topic, { partitions, ...options })
      return topic
    },
    freshGroup: () => fresh('group'),
    produce: async (list) => {
      records.produce(list)
    },
    read: async (topic) => {
      // Whoever asks again and again gives others their turn.
      await nextTurn()
      return records.read(topic)
    },
    setOffset: async ({ group, topic, nextOffset, metadata }) => {
      records.resetOffset(group, { topic, partition: 0 }, { nextOffset, metadata })
    },
    deleteBefore: async (topic, offset) => records.deleteBefore({ topic, partition: 0, offset }),
    addPartitions: async (topic, count) => records.addPartitions(topic, count),
    close: () => records.close(),
  }
}

recordsContract((name, fn) => {
  test(`${name} (memory)`, async () => {
    const driver = open()
    await fn(driver)
    await driver.close()
  })
})

describe('memory records', () => {
  test('produce says where each record stands', () => {
    const records = new MemoryRecords()
    records.createTopic('t', { partitions: 2 })
    const positions = records.produce([
      record('t', { partition: 1 }),
      record('t', { partition: 0 }),
      record('t', { partition: 1 }),
    ])
    expect(positions).toEqual([
      { topic: 't', partition: 1, offset: 0 },
      { topic: 't', partition: 0, offset: 0 },
      { topic: 't', partition: 1, offset: 1 },
    ])
    expect(records.endOffsets('t')[1]).toBe(2)
  })

  test('a record over the limit of its topic is refused', () => {
    const records = new MemoryRecords()
    records.createTopic('t', { partitions: 1, maxMessageBytes: 10 })
    expect(() => records.produce([record('t', { value: Buffer.alloc(10) })])).toThrow('limit of 10')
    expect(records.read('t')).toEqual([])
  })

  test('a chunk holds as many records as asked for, and other work gets its turn in between', async () => {
    const records = new MemoryRecords({ chunkRecords: 10 })
    records.createTopic('t', { partitions: 1 })
    records.produce(Array.from({ length: 25 }, () => record('t')))
    const order: string[] = []
    const heard = new Listener((chunk) => {
      order.push(`chunk of ${chunk.records.length}`)
      setImmediate(() => order.push('other work'))
    })
    await records.join({ group: 'g', topics: ['t'], from: 'earliest', handlers: heard })
    await heard.until(() => heard.hasReached(25))
    await new Promise((resolve) => setImmediate(resolve))
    expect(order.slice(0, 5)).toEqual([
      'chunk of 10',
      'other work',
      'chunk of 10',
      'other work',
      'chunk of 5',
    ])
    await records.close()
  })

  test('after records are deleted the log starts behind them, and a group that was before is refused', async () => {
    const records = new MemoryRecords()
    records.createTopic('t', { partitions: 1 })
    records.produce(Array.from({ length: 5 }, () => record('t')))
    records.deleteBefore({ topic: 't', partition: 0, offset: 3 })
    expect(records.read('t').map((r) => r.offset)).toEqual([3, 4])
    expect(records.endOffsets('t')).toEqual([5])
    const heard = new Listener()
    const member = await records.join({
      group: 'g',
      topics: ['t'],
      from: 'earliest',
      handlers: heard,
    })
    expect(heard.assignments.map((a) => a.nextOffset)).toEqual([3])
    const next = { ...heard.assignment(), nextOffset: 4, metadata: '' }
    await member.commit({ outputs: [], deadLetters: [], nextOffsets: [next] })
    await member.leave()
    records.deleteBefore({ topic: 't', partition: 0, offset: 5 })
    await expect(
      records.join({ group: 'g', topics: ['t'], from: 'earliest', handlers: heard }),
    ).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
    })
    await records.close()
  })

  test('deleting records that were not read yet ends the member', async () => {
    const records = new MemoryRecords({ chunkRecords: 1 })
    records.createTopic('t', { partitions: 1 })
    records.produce([record('t'), record('t'), record('t')])
    const heard = new Listener(() => records.deleteBefore({ topic: 't', partition: 0, offset: 2 }))
    await records.join({ group: 'g', topics: ['t'], from: 'earliest', handlers: heard })
    expect(await heard.fails()).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', where: 't-0@1' })
    await records.close()
  })

  test('with a topic go its records and what groups have committed for it', async () => {
    const { records, member } = await halfDone()
    await member.leave()
    records.deleteTopic('t')
    expect(records.committed('g', { topic: 't', partition: 0 })).toBeNull()
    expect(await records.describe(['t'])).toEqual(new Map())
    records.createTopic('t', { partitions: 1, isCompacted: true })
    expect(records.read('t')).toEqual([])
    expect((await records.describe(['t'])).get('t')?.isCompacted).toBe(true)
  })

  test('a topic that is deleted under a member ends it', async () => {
    const { records, heard } = await halfDone()
    records.deleteTopic('t')
    expect(await heard.fails()).toMatchObject({ code: 'TOPIC_MISSING' })
  })

  test('a crashed member hears and commits nothing more, and its partitions are free', async () => {
    const { records, heard, member } = await halfDone()
    const committing = commitOf(member, heard, 4)
    records.crash()
    expect((await thrownBy(committing)).code).toBe('FENCED')
    records.produce([record('t')])
    const { heard: next } = await reading(records)
    await next.until(() => next.hasReached(5))
    expect(next.assignment()).toMatchObject({ nextOffset: 2, metadata: 'half' })
    expect(heard.chunks.flatMap((c) => [...c.records])).toHaveLength(4)
    expect(heard.losses).toEqual([])
    await records.close()
  })
})

/** A member that has read all 4 records of `t`, of which 2 are committed. */
async function halfDone() {
  const records = new MemoryRecords()
  records.createTopic('t', { partitions: 1 })
  records.produce(Array.from({ length: 4 }, () => record('t')))
  const { heard, member } = await reading(records)
  await heard.until(() => heard.hasReached(4))
  await commitOf(member, heard, 2)
  return { records, heard, member }
}

async function reading(records: MemoryRecords) {
  const heard = new Listener()
  const join = { group: 'g', topics: ['t'], from: 'earliest', handlers: heard } as const
  return { heard, member: await records.join(join) }
}

function commitOf(member: Member, heard: Listener, nextOffset: number): Promise<void> {
  const next = { ...heard.assignment(), nextOffset, metadata: 'half' }
  return member.commit({ outputs: [], deadLetters: [], nextOffsets: [next] })
}

test('chunks are some thousand records at most, and so are those of all partitions in one turn', async () => {
  const records = new MemoryRecords({ chunkRecords: 100_000 })
  const partitions = 5
  records.createTopic('in', { partitions })
  for (let partition = 0; partition < partitions; partition++) {
    records.produce(new Array(3_000).fill(record('in', { partition })))
  }
  const perTurn: number[] = []
  let isCounting = false
  const listener = new Listener(({ records: { length } }) => {
    if (!isCounting) {
      isCounting = true
      perTurn.push(0)
      setImmediate(() => {
        isCounting = false
      })
    }
    perTurn[perTurn.length - 1] = (perTurn.at(-1) as number) + length
  })
  const join = { group: 'g', topics: ['in'], from: 'earliest', handlers: listener } as const
  const member = await records.join(join)
  await listener.until(() => [0, 1, 2, 3, 4].every((p) => listener.hasReached(3_000, p)))
  await member.leave()
  expect(Math.max(...listener.chunks.map((c) => c.records.length))).toBe(MOST_CHUNK_RECORDS)
  expect(Math.max(...perTurn)).toBeLessThan(2 * MOST_CHUNK_RECORDS)
  expect(listener.values(3)).toHaveLength(3_000)
})
