import { describe, expect, test } from 'vitest'
import { MemoryRecords } from '../../src/records/memory/memory-records.ts'
import { type Driver, recordsContract } from './contract.ts'
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
    const heard = new Listener((chunk) => {
      order.push(`chunk of ${chunk.records.length}`)
      setImmediate(() => order.push('other work'))
    })
    await records.join({ group: 'g', topics: ['t'], handlers: heard })
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
    expect(records.endOffset({ topic: 't', partition: 0 })).toBe(5)
    const heard = new Listener()
    const member = await records.join({ group: 'g', topics: ['t'], handlers: heard })
    expect(heard.assignments.map((a) => a.nextOffset)).toEqual([3])
    const next = { ...heard.assignment(), nextOffset: 4 }
    await member.commit({ outputs: [], deadLetters: [], nextOffsets: [next] })
    await member.leave()
    records.deleteBefore({ topic: 't', partition: 0, offset: 5 })
    await expect(
      records.join({ group: 'g', topics: ['t'], handlers: heard }),
    ).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
    })
    await records.close()
  })
})
