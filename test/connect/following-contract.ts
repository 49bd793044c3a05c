import { expect } from 'vitest'
import type { Chunk, Followed } from '../../src/connect/port.ts'
import { thrownBy } from '../support/thrown.ts'
import { type DefineTest, numbered } from './driver.ts'

/** Reads on until the last value of each partition is this many. */
async function take(
  chunks: AsyncIterator<Chunk>,
  counts: readonly number[],
): Promise<{ values: string[][]; chunks: Chunk[] }> {
  const values: string[][] = counts.map(() => [])
  const taken: Chunk[] = []
  while (values.some((of, partition) => of.length < (counts[partition] as number))) {
    const { value: chunk } = (await chunks.next()) as { value: Chunk }
    taken.push(chunk)
    for (const { value } of chunk.records) values[chunk.partition]?.push(String(value))
  }
  return { values, chunks: taken }
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => String(i))
const open = (followed: Followed) => followed[Symbol.asyncIterator]()
const nothing = () => {}

export function followingTests(test: DefineTest): void {
  test('all partitions are read from their start, then what is written later', async (driver) => {
    const topic = await driver.createTopic(2)
    await driver.produce([...numbered(topic, 0, 1_200), ...numbered(topic, 1, 3)])
    const followed = await driver.records.topics.follow({
      topic,
      from: new Map(),
      unreadable: nothing,
    })
    expect([...followed.ranges.values()]).toEqual([
      { nextOffset: 0, endOffset: 1_200 },
      { nextOffset: 0, endOffset: 3 },
    ])
    const chunks = open(followed)
    const before = await take(chunks, [1_200, 3])
    expect(before.values).toEqual([upTo(1_200), upTo(3)])
    expect(before.chunks.findLast(({ partition }) => partition === 0)).toMatchObject({
      nextOffset: 1_200,
      endOffset: 1_200,
    })
    await driver.produce(numbered(topic, 1, 2))
    expect((await take(chunks, [0, 2])).values).toEqual([[], ['0', '1']])
    await followed.close()
    expect((await chunks.next()).done).toBe(true)
  })

  test('it is read on from where it was read to, the other partitions from their start', async (driver) => {
    const topic = await driver.createTopic(2)
    await driver.produce([...numbered(topic, 0, 5), ...numbered(topic, 1, 2)])
    const from = new Map([[0, 3]])
    const followed = await driver.records.topics.follow({ topic, from, unreadable: nothing })
    expect((await take(open(followed), [2, 2])).values).toEqual([
      ['3', '4'],
      ['0', '1'],
    ])
    await followed.close()
  })

  test('records that are gone before they were read end it: none is left out in silence', async (driver) => {
    const topic = await driver.createTopic(1)
    await driver.produce(numbered(topic, 0, 5))
    await driver.deleteBefore(topic, 4)
    const from = new Map([[0, 2]])
    const followed = await driver.records.topics.follow({ topic, from, unreadable: nothing })
    const gone = await thrownBy(open(followed).next())
    expect(gone).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
    const again = await driver.records.topics.follow({
      topic,
      from: new Map(),
      unreadable: nothing,
    })
    expect((await take(open(again), [1])).values).toEqual([['4']])
    await again.close()
  })

  test('a topic that is not there is not followed', async (driver) => {
    const topic = `${await driver.createTopic(1)}-absent`
    const following = driver.records.topics.follow({ topic, from: new Map(), unreadable: nothing })
    expect(await thrownBy(following)).toMatchObject({ code: 'TOPIC_MISSING' })
  })
}
