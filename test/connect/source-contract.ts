import { expect } from 'vitest'
import type { Member, Source } from '../../src/connect/port.ts'
import { commitOffsets, type DefineTest, next, numbered } from './driver.ts'
import { Listener } from './listener.ts'

// The promises of every source, run on each system that has one.

/** A source under test. */
interface SourceDriver {
  readonly topic: string
  readonly group: string
  /** Opens the source, as a process would that knows only what was committed. */
  open(): Source
}

/** @param values by partition, what was written before: numbers from 0 on, so many */
type OpenSource = (values: readonly number[]) => Promise<SourceDriver>

export type DefineSourceTest = (name: string, run: (open: OpenSource) => Promise<void>) => void

async function joined(driver: SourceDriver, heard = new Listener()) {
  const { group, topic } = driver
  const source = driver.open()
  const options = { group, topics: [topic], from: 'earliest', guarantee: 'exactly-once' } as const
  const member: Member = await source.join({ ...options, handlers: heard })
  return { source, member, heard }
}

export function sourceContract(test: DefineSourceTest): void {
  test('records of a partition come in log order, without a gap', async (open) => {
    const { member, heard } = await joined(await open([2_500]))
    await heard.until(() => heard.values().length === 2_500)
    expect(heard.values()).toEqual(numbered('', 0, 2_500).map(({ value }) => String(value)))
    let expected = 0
    for (const { epoch, records, endOffset, nextOffset } of heard.chunks) {
      expect(records.offsetAt(0)).toBe(expected)
      expect(epoch).toBe(heard.assignment().epoch)
      expect(endOffset).toBeGreaterThanOrEqual(nextOffset)
      expected = nextOffset
    }
    expect(expected).toBe(2_500)
    await member.leave()
  })

  test('a partition that is paused as it is assigned comes whole when it is resumed', async (open) => {
    const heard: Listener = new Listener(
      () => {},
      (assignment, pausable) => {
        pausable.pause(assignment)
        return assignment.nextOffset
      },
    )
    const { member } = await joined(await open([3]), heard)
    await new Promise((resolve) => setImmediate(resolve))
    expect(heard.values()).toEqual([])
    member.resume(heard.assignment())
    await heard.until(() => heard.values().length === 3)
    await member.leave()
  })

  test('what a member has committed tells the next one where to begin, with its metadata', async (open) => {
    const driver = await open([3, 2])
    const { member, heard } = await joined(driver)
    await heard.until(() => heard.values(0).length === 3 && heard.values(1).length === 2)
    await commitOffsets(member, next(heard.assignment(0), 2, 'm'))
    await member.leave()
    const { member: other, heard: later } = await joined(driver)
    await later.until(() => later.values(0).length === 1 && later.values(1).length === 2)
    expect(later.assignment(0)).toMatchObject({ nextOffset: 2, metadata: 'm' })
    expect(later.assignment(1)).toMatchObject({ nextOffset: 0, metadata: null })
    expect(later.values(0)).toEqual(['2'])
    // A join waits until the last commit is finished; asking for offsets does not.
    const { topic } = driver
    const [committed] = await driver.open().offsets(driver.group, topic)
    expect(committed).toMatchObject({ topic, committed: { nextOffset: 2, metadata: 'm' } })
    await other.leave()
  })

  test('after stopFetching nothing more is read, but commits are taken', async (open) => {
    const driver = await open([3_000])
    const heard: Listener = new Listener(() => stop())
    let stop = () => {}
    const { member } = await joined(driver, heard)
    let chunks = 0
    stop = () => {
      member.stopFetching()
      chunks = heard.chunks.length + 1
    }
    await heard.until(() => chunks > 0)
    await commitOffsets(member, next(heard.assignment(), 1))
    await member.leave()
    expect(heard.chunks.length).toBeLessThanOrEqual(chunks + 1)
    const { member: again, heard: later } = await joined(driver)
    expect(later.assignment().nextOffset).toBe(1)
    await again.leave()
  })
}

/** The same on a driver of topics. */
export function topicSourceContract(test: DefineTest): void {
  sourceContract((name, fn) => {
    test(name, async (driver) => {
      await fn(async (values) => {
        const topic = await driver.createTopic(values.length)
        for (const [partition, count] of values.entries()) {
          await driver.produce(numbered(topic, partition, count))
        }
        return { topic, group: driver.freshGroup(), open: () => driver.records.source }
      })
    })
  })
}
