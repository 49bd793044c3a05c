import { defineTopology } from 'tidemark'
import { describe, expect, test } from 'vitest'
import type { JoinOptions } from '../../src/connect/port.ts'
import { Refused, TidemarkError } from '../../src/kernel/errors.ts'
import { HandClock, longestWaits } from '../support/clocks.ts'
import { startWorker } from '../support/in-process.ts'
import { commitFailed, HandRecords, noBroker, TOPICS, topic } from './hand-records.ts'
import { prepared, record, START_MS, scorer, source, Watch } from './support.ts'

function started(records: HandRecords) {
  const watch = new Watch()
  const clock = new HandClock(START_MS)
  const options = { prepared: prepared(), records, group: 'g', brokers: ['kafka:9092'], clock }
  const { observer } = watch
  return { worker: startWorker({ ...options, random: longestWaits, observer }), watch, clock }
}

/** Runs with one chunk whose commit is on its way. */
async function committing() {
  const records = new HandRecords()
  const { worker, watch, clock } = started(records)
  const member = await records.member()
  member.assign(1)
  member.give(1, [record(0)])
  return { worker, watch, clock, member, pending: await member.nextCommit() }
}

describe('stop', () => {
  test('finishes and commits what is in flight, then leaves', async () => {
    const { worker, watch, member, pending, clock } = await committing()
    member.give(1, [record(1)])
    const stopped = worker.stop()
    expect(await member.commitsNothing()).toBe(true)
    expect(member.calls).toEqual(['stopFetching'])
    pending.succeed()
    await clock.asleepFor(10)
    clock.advance(10)
    const last = await member.nextCommit()
    expect(last.commit.nextOffsets[0]?.nextOffset).toBe(2)
    expect(member.calls).toEqual(['stopFetching'])
    last.succeed()
    await stopped
    expect(member.calls).toEqual(['stopFetching', 'leave'])
    expect(watch.states).toEqual(['starting', 'running', 'stopping', 'stopped'])
  })

  test('is over when the membership breaks meanwhile: no other attempt is promised', async () => {
    const { worker, watch, member, pending } = await committing()
    const stopped = worker.stop()
    await watch.until(() => watch.states.at(-1) === 'stopping')
    member.handlers.failed(noBroker())
    pending.succeed()
    await stopped
    expect(watch.states).toEqual(['starting', 'running', 'stopping', 'stopped'])
  })

  test('with nothing in flight leaves at once', async () => {
    const records = new HandRecords()
    const { worker } = started(records)
    const member = await records.member()
    await worker.stop()
    expect(member.calls).toEqual(['stopFetching', 'leave'])
  })

  test('does not wait for a group that is not ready', async () => {
    const records = new HandRecords()
    const asked = new Promise<void>((resolve) => {
      records.join = () => {
        resolve()
        return new Promise(() => {})
      }
    })
    const { worker, watch } = started(records)
    await asked
    await worker.stop()
    expect(watch.states).toEqual(['starting', 'stopped'])
  })

  test('goes on trying a commit that failed', async () => {
    const { worker, member, pending, clock } = await committing()
    const stopped = worker.stop()
    pending.fail(commitFailed())
    await clock.asleepFor(100)
    clock.advance(100)
    ;(await member.nextCommit()).succeed()
    await stopped
    expect(member.calls).toEqual(['stopFetching', 'leave'])
  })

  test('gives up after 15 s, says so, and leaves all the same', async () => {
    const { worker, watch, member, clock } = await committing()
    const stopped = worker.stop()
    await clock.asleepFor(15_000)
    clock.advance(15_000)
    await clock.asleepFor(2_000)
    clock.advance(2_000)
    await expect(stopped).rejects.toMatchObject({ code: 'STOP_TIMED_OUT' })
    expect(member.calls).toEqual(['stopFetching', 'leave'])
    expect(watch.states.at(-1)).toBe('failed')
  })

  test('while no broker answers ends the waiting', async () => {
    const { worker, watch, clock } = started(new HandRecords(noBroker()))
    await clock.asleepFor(500)
    await worker.stop()
    expect(watch.states).toEqual(['starting', 'unavailable', 'stopped'])
  })
})

test("a topic's batches are compressed as its sink says, others as the operator says", async () => {
  const records = new HandRecords()
  let joined: JoinOptions | undefined
  const join = records.join.bind(records)
  records.join = (options) => {
    joined = options
    return join(options)
  }
  const snappy = defineTopology('t', (t) =>
    t.source('events', source).sink('scores', { compression: 'snappy' }),
  )
  const worker = startWorker({
    prepared: prepared(scorer(), snappy),
    records,
    group: 'g',
    compression: 'gzip',
    observer: () => {},
  })
  await records.member()
  expect(['scores', 'events.dlq'].map((to) => joined?.compressionOf?.(to))).toEqual([
    'snappy',
    'gzip',
  ])
  await worker.stop()
})

describe('without a broker', () => {
  test('a worker goes on trying, after waits that double up to 10 s, and runs when one answers', async () => {
    const outage = Array.from({ length: 7 }, noBroker)
    const records = new HandRecords(...outage, TOPICS)
    const { worker, watch, clock } = started(records)
    const waits = [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]
    for (const [n, wait] of waits.entries()) {
      await watch.until(() => watch.of('state').length === n + 2)
      clock.advance(wait)
    }
    await watch.until(() => watch.states.at(-1) === 'running')
    expect(clock.slept).toEqual(waits)
    expect(watch.of('state')[1]).toEqual({
      type: 'state',
      state: 'unavailable',
      reason: 'no broker answers; next attempt in 0.5 s',
    })
    await worker.stop()
  })

  test('what is to be known of the topics is told once, when they are known', async () => {
    const loose = TOPICS.map((t) => ({ ...t, timestampAfterMaxMs: null }))
    const records = new HandRecords(noBroker(), loose)
    const { worker, watch, clock } = started(records)
    await clock.asleepFor(500)
    clock.advance(500)
    const member = await records.member(0)
    member.handlers.failed(noBroker())
    await clock.asleepFor(500)
    await watch.until(() => watch.states.at(-1) === 'unavailable')
    clock.advance(1_000)
    await records.member(1)
    expect(watch.of('note')).toHaveLength(1)
    await worker.stop()
  })

  test('while no broker takes a commit the worker is unavailable, once; a commit that succeeds ends it', async () => {
    const records = new HandRecords()
    const { worker, watch, clock } = started(records)
    const member = await records.member(0)
    member.assign(1)
    member.give(1, [record(0)])
    for (const waitMs of [100, 200]) {
      ;(await member.nextCommit()).fail(noBroker())
      await clock.asleepFor(waitMs)
      clock.advance(waitMs)
    }
    expect(watch.states).toEqual(['starting', 'running', 'unavailable'])
    ;(await member.nextCommit()).succeed()
    await watch.until(() => watch.states.at(-1) === 'running')
    await worker.stop()
  })

  test('a membership that broke is begun again, and its pending work is not carried over', async () => {
    const records = new HandRecords()
    const { worker, watch, clock } = started(records)
    const first = await records.member(0)
    first.assign(1)
    first.give(1, [record(0)])
    const pending = await first.nextCommit()
    first.handlers.failed(noBroker())
    pending.fail(noBroker())
    await watch.until(() => watch.states.at(-1) === 'unavailable')
    expect(first.calls).toEqual(['leave'])
    clock.advance(500)
    const second = await records.member(1)
    expect(await second.commitsNothing()).toBe(true)
    expect(watch.states).toEqual(['starting', 'running', 'unavailable', 'running'])
    await worker.stop()
  })
})

describe('partitions that cannot be read', () => {
  const away = (partition: number, reason = 'it has no leader') => ({
    topic: 'events',
    partition,
    reason,
  })

  test('make the worker unavailable, by name and reason, until all can be read again', async () => {
    const records = new HandRecords()
    const { worker, watch } = started(records)
    const { handlers } = await records.member(0)
    handlers.unreadable([away(0), away(2), away(3, 'broker 1 does not answer')])
    expect(watch.of('state').at(-1)).toEqual({
      type: 'state',
      state: 'unavailable',
      reason:
        'events-0, events-2 cannot be read: it has no leader; events-3 cannot be read: broker 1 does not answer',
    })
    handlers.unreadable([0, 1, 2, 3, 4, 5, 6].map((partition) => away(partition)))
    expect(watch.of('state').at(-1)?.reason).toBe(
      'events-0, events-1, events-2, events-3, events-4 and 2 more cannot be read: it has no leader',
    )
    handlers.unreadable([])
    expect(watch.states).toEqual(['starting', 'running', 'unavailable', 'unavailable', 'running'])
    await worker.stop()
  })

  test('and a commit that fails are told together, and each ends by itself', async () => {
    const records = new HandRecords()
    const { worker, watch, clock } = started(records)
    const member = await records.member(0)
    member.assign(1)
    member.give(1, [record(0)])
    member.handlers.unreadable([away(2)])
    ;(await member.nextCommit()).fail(noBroker())
    await clock.asleepFor(100)
    const reason = 'events-2 cannot be read: it has no leader'
    const { state, reason: both } = watch.of('state').at(-1) ?? {}
    expect([state, both]).toEqual(['unavailable', `${reason}; no broker answers`])
    clock.advance(100)
    ;(await member.nextCommit()).succeed()
    await watch.until(() => watch.of('state').at(-1)?.reason === reason)
    member.handlers.unreadable([])
    expect(watch.states.at(-1)).toBe('running')
    await worker.stop()
  })

  test('are no trouble any more once the membership has ended', async () => {
    const records = new HandRecords()
    const { worker, watch } = started(records)
    const { handlers } = await records.member(0)
    handlers.unreadable([away(0), away(2)])
    handlers.failed(noBroker())
    await watch.until(() => watch.troubles('unavailable').some(({ reason }) => reason !== null))
    expect(watch.troubles('unreadable').map(({ reason }) => reason)).toEqual([
      ...['it has no leader', 'it has no leader', null, null],
    ])
    await worker.stop()
  })

  test('are told of when the first assignment lacks them', async () => {
    const records = new HandRecords()
    records.beforeJoined = ({ handlers }) => handlers.unreadable([away(1)])
    const { worker, watch } = started(records)
    await watch.until(() => watch.states.length === 2)
    expect(watch.states).toEqual(['starting', 'unavailable'])
    await worker.stop()
  })
})

test('a rebalance is told with its cause, and is trouble from 5 s on until it is over', async () => {
  const records = new HandRecords()
  const { worker, watch, clock } = started(records)
  const { handlers } = await records.member(0)
  handlers.rebalancing?.('members')
  clock.advance(4_999)
  handlers.rebalancing?.(null)
  handlers.rebalancing?.('partitions')
  clock.advance(4_999)
  expect(watch.troubles('rebalance')).toEqual([])
  clock.advance(1)
  handlers.rebalancing?.(null)
  expect(watch.of('rebalance').map(({ cause }) => cause)).toEqual(['members', 'partitions'])
  expect(watch.troubles('rebalance').map(({ reason }) => reason)).toEqual([
    'the group has been rebalancing for 5 s',
    null,
  ])
  await worker.stop()
})

test('partitions that came while a join was tried in vain are lost with it', async () => {
  const records = new HandRecords()
  records.beforeJoined = (member) => {
    member.assign(1)
    throw noBroker()
  }
  const { worker, watch } = started(records)
  await watch.until(() => watch.states.at(-1) === 'unavailable')
  expect(watch.of('lost').map(({ why }) => why)).toEqual(['left'])
  await worker.stop()
})

describe('before anything is consumed', () => {
  test('every right that is missing is refused', async () => {
    const records = new HandRecords()
    records.lacking = ['READ', 'WRITE'].map((right) => new TidemarkError('AUTHORIZATION', right))
    const { worker } = started(records)
    const error = await worker.done.catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(Refused)
    expect((error as Refused).faults).toEqual(records.lacking)
    expect(records.members).toEqual([])
  })

  test('every topic that is missing is refused, each with the command that makes it', async () => {
    const records = new HandRecords([topic('events', { partitions: 12 })])
    const { worker, watch } = started(records)
    const refused = (await worker.done.catch((error: unknown) => error)) as Refused
    expect(refused).toBeInstanceOf(Refused)
    expect(refused.faults.map((f) => [f.code, f.hint])).toEqual(
      ['scores', 'events.dlq'].map((name) => [
        'TOPIC_MISSING',
        `kafka-topics.sh --bootstrap-server kafka:9092 --create --topic ${name} --partitions 12`,
      ]),
    )
    expect(records.members).toEqual([])
    expect(watch.states).toEqual(['starting', 'failed'])
  })
})

describe('a worker has settled', () => {
  test('when all that it took is committed', async () => {
    const { worker, pending } = await committing()
    let isSettled = false
    const settled = worker.settled().then(() => (isSettled = true))
    await new Promise((resolve) => setImmediate(resolve))
    expect(isSettled).toBe(false)
    pending.succeed()
    await settled
    await worker.stop()
  })

  test('never, when it ends before: what it lost is told', async () => {
    const { worker, member, pending } = await committing()
    const settled = worker.settled()
    member.handlers.failed(new TidemarkError('OFFSET_OUT_OF_RANGE', 'the log begins at 9'))
    pending.fail(new TidemarkError('FENCED', 'gone'))
    await expect(settled).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
  })
})

describe('what ends a worker', () => {
  test('is told by done, after it has left the group', async () => {
    const records = new HandRecords()
    const { worker, watch } = started(records)
    const member = await records.member()
    member.handlers.failed(new TidemarkError('OFFSET_OUT_OF_RANGE', 'the log begins at 9'))
    await expect(worker.done).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
    expect(member.calls).toEqual(['leave'])
    expect(watch.of('state').at(-1)).toMatchObject({
      state: 'failed',
      reason: 'the log begins at 9',
    })
  })

  test('never comes out of a handler into the driver', async () => {
    const records = new HandRecords()
    const { worker } = started(records)
    const member = await records.member()
    const assignment = {
      topic: 'other',
      partition: 0,
      epoch: 1,
      nextOffset: 0,
      metadata: null,
      lowOffset: 0,
      lookBackOffset: 0,
    }
    expect(() => member.handlers.assigned(assignment, member)).not.toThrow()
    await expect(worker.done).rejects.toMatchObject({ code: 'INVARIANT' })
  })
})

test('a partition that was read to its end tells how far the log reaches', async () => {
  const records = new HandRecords()
  const { worker, watch } = started(records)
  const member = await records.member()
  member.assign(1)
  member.handlers.caughtUp({ topic: 'events', partition: 0 }, 41)
  expect(watch.of('consumed')).toMatchObject([{ topology: 'scored', records: 0, endOffset: 41 }])
  await worker.stop()
})
