import { describe, expect, test } from 'vitest'
import { ListedRecords } from '../../../src/connect/log-records.ts'
import { TidemarkError } from '../../../src/kernel/errors.ts'
import { stepsOf } from '../../../src/topology/graph.ts'
import { HandClock } from '../../support/clocks.ts'
import { perTenSeconds, record, START_MS, scored } from '../support.ts'
import { taskWith, turn } from './task-with.ts'

// Where a range of a partition ends (rule S4).

describe('a range that ends', () => {
  const offsets = (chunks: Awaited<ReturnType<ReturnType<typeof taskWith>['closed']>>) =>
    chunks.map(({ nextOffset }) => nextOffset)

  test('where no record is, ends when the log is read to beyond it, and takes no more', async () => {
    const { partition, take, closed, pauses, watch } = taskWith({ end: 10 })
    take(record(0), record(1), record(2))
    expect(pauses).toEqual([])
    partition.caughtUp(12)
    // Before them it is committed where the range begins.
    expect(offsets(await closed(3))).toEqual([0, 3, 10])
    expect(pauses).toEqual(['paused'])
    expect(watch.of('consumed').map(({ endOffset }) => endOffset)).toEqual([10, 10])
    take(record(10), record(11))
    partition.caughtUp(14)
    await turn()
    expect(offsets(await closed(3))).toEqual([0, 3, 10])
  })

  test('where the group has committed, takes nothing, whether or not it replays', async () => {
    const sinks = [...stepsOf(scored.then)].filter((step) => step.op === 'sink')
    const stateless = { ...scored, then: sinks }
    const one = taskWith({ definition: stateless, nextOffset: 10, end: 10 })
    expect(one.pauses).toEqual(['paused'])
    one.take(record(10))
    const other = taskWith({ nextOffset: 10, end: 10 })
    expect(other.pauses).toEqual([])
    other.take(record(8), record(9), record(10))
    expect(other.pauses).toEqual(['paused'])
    for (const { closed, done } of [one, other]) {
      expect(offsets(await closed(1))).toEqual([10])
      await turn()
      expect(done()).toHaveLength(1)
    }
  })

  test('before the records of a chunk, ends there', async () => {
    const { take, closed } = taskWith({ end: 10 })
    take(record(9))
    take(record(14), record(15))
    const chunks = await closed(2)
    expect(offsets(chunks)).toEqual([0, 10])
    expect(chunks.flatMap(({ outputs }) => outputs)).toHaveLength(1)
  })

  test('within a batch that cannot be unpacked, counts the records before it', async () => {
    const { partition, closed, watch } = taskWith({ end: 10 })
    const error = new TidemarkError('BATCH_TOO_LARGE', 'it is')
    const bytes = Buffer.alloc(8)
    partition.process({
      ...{ topic: 'events', partition: 3, epoch: 1, records: new ListedRecords([]) },
      packed: { offset: 6, lastOffset: 12, count: 7, timestampMs: START_MS, bytes, error },
      ...{ nextOffset: 13, endOffset: 99 },
    })
    const chunks = await closed(2)
    expect(offsets(chunks)).toEqual([0, 10])
    expect(chunks.flatMap(({ deadLetters }) => deadLetters)).toHaveLength(1)
    expect(watch.of('processed').at(-1)?.outcomes.dead).toBe(4)
  })

  test('leaves tumbling windows open, also when its end is the end of the log', async () => {
    const from = perTenSeconds.source
    const idling = { ...from, watermark: { ...from.watermark, idleAfterMs: 1_000 } }
    const clock = new HandClock(START_MS)
    const afterAnHour = async (end?: number) => {
      const definition = { ...perTenSeconds, source: idling }
      const bounded = end === undefined ? {} : { end }
      const { take, partition, closed, done } = taskWith({ definition, clock, ...bounded })
      take(record(0), record(1))
      partition.caughtUp(2)
      await closed(end === undefined ? 1 : 2)
      await clock.pass(3_600_000)
      return done().flatMap(({ outputs }) => outputs)
    }
    expect(await afterAnHour(2)).toEqual([])
    expect(await afterAnHour()).toHaveLength(1)
  })
})
