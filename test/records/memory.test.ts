import { describe, expect, test } from 'vitest'
import { MemoryRecords } from '../../src/records/memory/memory-records.ts'
import { type Driver, record, recordsContract } from './contract.ts'

let names = 0
const fresh = (what: string) => {
  names++
  return `${what}-${names}`
}

function open(): Driver {
  const records = new MemoryRecords({ chunkRecords: 400 })
  return {
    records,
    createTopic: async (partitions) => {
      const topic = fresh('topic')
      records.createTopic(topic, { partitions })
      return topic
    },
    freshGroup: () => fresh('group'),
    produce: async (list) => {
      records.produce(list)
    },
    read: async (topic) => records.read(topic),
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
    expect(records.endOffset({ topic: 't', partition: 1 })).toBe(2)
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
    const done = new Promise<void>((resolve) => {
      const handlers = {
        assigned: () => {},
        lost: () => {},
        chunk: (chunk: { records: readonly unknown[] }) => {
          order.push(`chunk of ${chunk.records.length}`)
          setImmediate(() => order.push('other work'))
        },
        caughtUp: () => setImmediate(resolve),
        failed: () => {},
      }
      void records.join({ group: 'g', topics: ['t'], handlers })
    })
    await done
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
    expect(records.endOffset({ topic: 't', partition: 0 })).toBe(5)
    const starts: number[] = []
    const handlers = {
      assigned: (assignments: readonly { nextOffset: number }[]) =>
        starts.push(...assignments.map((a) => a.nextOffset)),
      lost: () => {},
      chunk: () => {},
      caughtUp: () => {},
      failed: () => {},
    }
    const member = await records.join({ group: 'g', topics: ['t'], handlers })
    expect(starts).toEqual([3])
    const next = { topic: 't', partition: 0, epoch: 1, nextOffset: 4, metadata: '' }
    await member.commit({ outputs: [], deadLetters: [], nextOffsets: [next] })
    await member.leave()
    records.deleteBefore({ topic: 't', partition: 0, offset: 5 })
    await expect(records.join({ group: 'g', topics: ['t'], handlers })).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
    })
    await records.close()
  })
})
