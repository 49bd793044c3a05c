import { describe, expect, test } from 'vitest'
import { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import type { LogPoint, Records } from '../../src/connect/port.ts'
import type { LogRange } from '../../src/runtime/start/bounded-range.ts'
import { committingThrough } from '../connect/committing-through.ts'
import { HandClock } from '../support/clocks.ts'
import { headerOf } from '../support/headers.ts'
import { startWorker, type TestWorkerOptions as WorkerOptions } from '../support/in-process.ts'
import { send } from './memory-workers.ts'
import { prepared, START_MS, Watch } from './support.ts'

// Groups that read a bounded range of a topic, on records in memory (rule S4).

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f']
const PARTITIONS = 3
/** Records of the partitions after two minutes. */
const LENGTHS = [20, 40, 60]
const FROM_MS = 31_000
const TO_MS = 87_000

/** An event a second, in turn of each key, and every tenth one late. */
function feed(records: MemoryRecords, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const atMs = i % 10 === 9 ? (i - 30) * 1_000 : i * 1_000
    send(records, [KEYS[i % KEYS.length] as string, atMs, i])
  }
}

function fed(seconds = 120): MemoryRecords {
  const records = new MemoryRecords({ chunkRecords: 7 })
  for (const topic of ['events', 'scores', 'events.dlq']) {
    records.createTopic(topic, { partitions: PARTITIONS })
  }
  feed(records, 0, seconds)
  return records
}

function at(ms: number): LogPoint {
  return { timeMs: START_MS + ms }
}

/** Does not wait for a pace, or for the moment to ask others. */
class QuickClock extends HandClock {
  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return ms <= 1_000 ? new Promise((resolve) => setImmediate(resolve)) : super.sleep(ms, signal)
  }
}

class Moment {
  come = (): void => {}
  readonly has = new Promise<void>((resolve) => {
    this.come = resolve
  })
}

const MIDDLE: LogRange = { from: at(FROM_MS), to: at(TO_MS) }

function start(records: Records, range: LogRange | null, o: Partial<WorkerOptions> = {}) {
  const watch = new Watch()
  const worker = startWorker({
    ...{ prepared: prepared(), records, group: 'backfill', observer: watch.observer },
    clock: new QuickClock(START_MS),
    ...(range && { range }),
    ...o,
  })
  return { worker, watch }
}

/** The same records, of which a member joins later. */
function joiningAfter(records: Records, when: () => Promise<void>): Records {
  const later = committingThrough(records, (commit, member) => member.commit(commit))
  const join: Records['source']['join'] = async (options) => {
    await when()
    return records.source.join(options)
  }
  return { ...later, source: { ...later.source, join } }
}

/** Value and id of each output, code and place of each dead letter, in their order. */
function outcomeOf(records: MemoryRecords): string[] {
  const outputs = records
    .read('scores')
    .map((record) => `${headerOf(record, 'tidemark-id')} ${String(record.value)}`)
  const letters = records.read('events.dlq').map((record) => {
    const names = ['__streams.errors.partition', '__streams.errors.offset', 'tidemark.code']
    return names.map((name) => headerOf(record, name)).join('/')
  })
  return [...outputs, ...letters].sort()
}

function ends(records: MemoryRecords, group = 'backfill') {
  return Array.from({ length: PARTITIONS }, (_, partition) => {
    return records.committed(group, { topic: 'events', partition })?.nextOffset
  })
}

function upwards(a = 0, b = 0): number {
  return a - b
}

/** What one live run makes of the records of a range. */
async function ofLiveRun(range: LogRange): Promise<string[]> {
  const records = fed()
  const bounds = fed()
  await start(bounds, range).worker.done
  const last = ends(bounds)
  const since = await records.offsetsSince('events', (range.from as { timeMs: number }).timeMs)
  const { worker } = start(records, null, { group: 'live' })
  await records.settled('live', 'events')
  await worker.stop()
  return outcomeOf(records).filter((line) => {
    const [, partition, offset] = /(\d+)\/(\d+)/.exec(line) ?? []
    const first = since.get(`events-${partition}`) ?? 0
    return Number(offset) >= first && Number(offset) < (last[Number(partition)] ?? 0)
  })
}

describe('a range', () => {
  test('has the outputs and dead letters of a live run, with the windows of before, and ends its worker', async () => {
    const records = fed()
    const { worker, watch } = start(records, MIDDLE)
    await worker.done
    const outcome = outcomeOf(records)
    expect(outcome.length).toBeGreaterThan(50)
    expect(outcome).toEqual(await ofLiveRun(MIDDLE))
    expect(watch.of('warming')).toEqual([])
    const since = await records.offsetsSince('events', START_MS + TO_MS)
    expect(ends(records)).toEqual([...since.values()])
  })

  test.each<[string, LogRange, number[]]>([
    ['offsets', { from: { offset: 3 }, to: { offset: 25 } }, [20, 25, 25]],
    ['the end of the log', { from: at(100_000), to: 'latest' }, LENGTHS],
    ['an offset behind the end', { from: 'earliest', to: { offset: 1_000 } }, LENGTHS],
    ['a time behind the end', { from: 'earliest', to: at(1_000_000) }, LENGTHS],
    ['a beginning behind the end', { from: at(1_000_000), to: 'latest' }, LENGTHS],
    ['an offset that is after a time', { from: { offset: 30 }, to: at(20_000) }, [3, 7, 10]],
  ])('may go by %s', async (_, range, expected) => {
    const records = fed()
    await start(records, range).worker.done
    expect(ends(records).toSorted(upwards)).toEqual(expected)
  })

  test('is kept as the first worker found it, however the topic grows and wherever workers die', async () => {
    const range: LogRange = { from: at(112_000), to: 'latest' }
    const whole = fed()
    let [commits, claims] = [0, 0]
    const counted = committingThrough(whole, (commit, member) => {
      commits++
      if (ends(whole).includes(undefined)) claims++
      return member.commit(commit)
    })
    await start(counted, range, { maxCommitBytes: 1 }).worker.done
    const expected = outcomeOf(whole)
    expect(commits).toBeGreaterThan(claims + 3)
    // What is not claimed when a worker dies has its end found by the next one.
    for (let nth = claims + 1; nth <= commits; nth++) {
      for (const moment of ['before', 'after'] as const) {
        const records = fed()
        let left = nth
        const dies = committingThrough(records, async (commit, member) => {
          if (--left > 0) return member.commit(commit)
          if (moment === 'after') await member.commit(commit)
          records.crash()
          throw new Error('crashed')
        })
        const { worker } = start(dies, range, { maxCommitBytes: 1 })
        await expect(worker.done).rejects.toThrow('crashed')
        feed(records, 120, 150)
        await start(records, range).worker.done
        expect(outcomeOf(records), `died ${moment} commit ${nth}`).toEqual(expected)
        expect(ends(records)).toEqual(ends(whole))
      }
    }
  })

  test('a worker at its ends waits for the others, and takes over what one leaves', async () => {
    const records = fed()
    const [isHeld, isDead] = [new Moment(), new Moment()]
    // It holds its partitions, and commits where it begins, and nothing more.
    const held = committingThrough(records, async (commit, member) => {
      if (commit.outputs.length === 0) return member.commit(commit)
      isHeld.come()
      await isDead.has
      throw new Error('crashed')
    })
    const first = start(held, MIDDLE)
    await isHeld.has
    const second = start(records, MIDDLE)
    let isOver = false
    const over = second.worker.done.finally(() => {
      isOver = true
    })
    await second.watch.until((watch) => watch.of('committed').length > 2)
    await new Promise((resolve) => setImmediate(resolve))
    expect(isOver).toBe(false)
    isDead.come()
    await expect(first.worker.done).rejects.toThrow('crashed')
    await over
    expect(outcomeOf(records)).toEqual(await ofLiveRun(MIDDLE))
  })

  test('ends a worker that joins when the others are through, which it could not know when it started', async () => {
    const records = fed()
    const first = start(records, MIDDLE)
    const second = start(
      joiningAfter(records, () => first.worker.done),
      MIDDLE,
    )
    await second.worker.done
    expect(second.watch.of('assigned')).toHaveLength(PARTITIONS)
    expect(outcomeOf(records)).toEqual(await ofLiveRun(MIDDLE))
  })

  test('ends where its notes say, also for a worker that had found another end before', async () => {
    const range: LogRange = { from: at(80_000), to: 'latest' }
    const records = fed()
    const [hasFound, isDead] = [new Moment(), new Moment()]
    const joining = () => {
      hasFound.come()
      return isDead.has
    }
    const second = start(joiningAfter(records, joining), range)
    await hasFound.has
    feed(records, 120, 150)
    const dies = committingThrough(records, async (commit, member) => {
      if (commit.outputs.length > 0) throw new Error('crashed')
      await member.commit(commit)
    })
    await expect(start(dies, range).worker.done).rejects.toThrow('crashed')
    isDead.come()
    await second.worker.done
    expect(ends(records).toSorted(upwards)).toEqual([25, 50, 75])
  })

  test('that is committed ends a worker at once, which says so', async () => {
    const records = fed()
    await start(records, MIDDLE).worker.done
    const { worker, watch } = start(records, MIDDLE)
    await worker.done
    expect(watch.of('note').at(-1)?.message).toContain('has committed all of the range')
    expect(watch.states).toEqual(['starting', 'stopped'])
  })

  test('of a partition that was only claimed begins where it was claimed', async () => {
    const records = fed()
    const since = await records.offsetsSince('events', START_MS + FROM_MS)
    const nextOffset = since.get('events-1') ?? 0
    records.resetOffset('backfill', { topic: 'events', partition: 1 }, { nextOffset, metadata: '' })
    await start(records, MIDDLE).worker.done
    expect(outcomeOf(records)).toEqual(await ofLiveRun(MIDDLE))
  })
})

describe('refused is', () => {
  const faultsOf = async (records: Records, range: LogRange, o: Partial<WorkerOptions> = {}) => {
    const error: unknown = await start(records, range, o).worker.done.then(
      () => null,
      (thrown: unknown) => thrown,
    )
    return ((error as { faults?: { message: string }[] } | null)?.faults ?? []).map(
      (f) => f.message,
    )
  }

  test('another range than the group reads, and a group without one', async () => {
    const records = fed()
    await start(records, MIDDLE).worker.done
    const other = await faultsOf(records, { ...MIDDLE, to: 'latest' })
    expect(other).toEqual([
      'the group reads 2026-01-01T00:00:31.000Z to 2026-01-01T00:01:27.000Z, not 2026-01-01T00:00:31.000Z to latest',
    ])
    const { worker } = start(records, null, { group: 'live' })
    await records.settled('live', 'events')
    await worker.stop()
    const live = await faultsOf(records, MIDDLE, { group: 'live' })
    expect(live[0]).toMatch(/^the group committed offset \d0 of events-0 without a range/)
  })

  test('a range whose first records were deleted, unless they were too old for it', async () => {
    const records = fed()
    records.deleteBefore({ topic: 'events', partition: 2, offset: 20 })
    const cut = 'were deleted: 20 is the first one left'
    expect(await faultsOf(records, MIDDLE)).toEqual([
      `records of events-2 from 2026-01-01T00:00:31.000Z on ${cut}`,
    ])
    expect(await faultsOf(records, { from: { offset: 19 }, to: 'latest' })).toEqual([
      `records of events-2 from offset 19 on ${cut}`,
    ])
    const kept = { retentionMs: 0 }
    const keeping = fed()
    keeping.deleteBefore({ topic: 'events', partition: 2, offset: 20 })
    const described = keeping.describe.bind(keeping)
    keeping.describe = async (names) => {
      const found = await described(names)
      return new Map([...found].map(([name, info]) => [name, { ...info, ...kept }]))
    }
    expect(await faultsOf(keeping, MIDDLE)).toEqual([])
    await start(records, { from: 'earliest', to: 'latest' }, { group: 'rest' }).worker.done
    expect(ends(records, 'rest').toSorted(upwards)).toEqual(LENGTHS)
  })
})
