import { describe, expect, vi } from 'vitest'
import { next } from '../../records/driver.ts'
import { type Listener, record } from '../../records/listener.ts'
import { API, type Exchange, type FaultyWire } from '../../services/faulty-wire.ts'
import { SESSION_MS } from '../../services/kafka.ts'
import { ownKafkaTest } from '../../services/own-kafka.ts'
import { limitProducer } from '../../services/quota.ts'
import { thrownBy } from '../../support/thrown.ts'
import { expectNoneOpen, type Transacting, transacting } from './transacting.ts'

// A broker that makes its clients wait, and a link that carries little.

const GUARANTEES = ['exactly-once', 'at-least-once'] as const
/** How long the broker throttles a commit whose transaction must not wait for that. */
const THROTTLED_MS = 3_000

/** Puts a throttle time into an answer to Produce: it is the last field, before the tagged ones. */
function throttle(ms: number) {
  return (body: Buffer, { version }: Exchange) => {
    body.writeInt32BE(ms, body.length - (version >= 9 ? 5 : 4))
  }
}

/**
 * A commit whose records are throttled and taken. The leader may still be ending the transaction
 * before, whatever its coordinator says, and refuse them at first.
 */
async function throttledCommit(
  { wire }: Transacting,
  commitUpTo: (offset: number) => Promise<void>,
): Promise<Exchange> {
  for (let offset = 2; offset < 10; offset++) {
    const before = wire.passedOf(API.produce).length
    const { happened } = wire.alterReply(API.produce, throttle(THROTTLED_MS))
    await commitUpTo(offset)
    if (wire.passedOf(API.produce).length === before + 1) return happened
  }
  throw new Error('no commit was taken at once')
}

/** Outputs of 4 KB each, numbered. */
function large(
  set: Transacting,
  heard: Listener,
  { from, count }: { from: number; count: number },
) {
  const outputs = Array.from({ length: count }, (_, i) =>
    record(set.outputs, { value: Buffer.from(`${from + i}`.padEnd(4_000)) }),
  )
  return { outputs, deadLetters: [], nextOffsets: [next(heard.assignment(), 1)] }
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)

/** What is published, as numbers, in the log's order. */
const published = async (set: Transacting) => (await set.published()).map(Number)

/** Was the member a member all the time, and heard of by the group often enough? */
function expectHeartbeats(wire: FaultyWire): void {
  const sent = wire.passedOf(API.heartbeat).map(({ forwardedMs }) => forwardedMs ?? 0)
  const gaps = sent.slice(1).map((ms, i) => ms - (sent[i] ?? ms))
  expect(Math.max(...gaps)).toBeLessThan(SESSION_MS)
  expect(wire.passedOf(API.joinGroup).length).toBeLessThanOrEqual(2)
}

/** When the first such request after a moment went out; −Infinity: none did. */
function sentAfter(wire: FaultyWire, api: number, ms: number): number {
  const sent = wire.passedOf(api).map(({ forwardedMs }) => forwardedMs ?? 0)
  return sent.find((at) => at > ms) ?? Number.NEGATIVE_INFINITY
}

/** How long after an answer the next such request went out, ms; −Infinity: none did. */
function nextAfter(wire: FaultyWire, api: number, { answeredMs }: Exchange): number {
  return sentAfter(wire, api, answeredMs ?? 0) - (answeredMs ?? 0)
}

for (const guarantee of GUARANTEES) {
  ownKafkaTest(
    `${guarantee}: no records go out before the time has passed for which the broker throttles`,
    async (kafka) => {
      const set = await transacting(kafka)
      const { member, heard } = await set.join({}, guarantee)
      await member.commit(set.commitOf(heard, 1))
      const { happened } = set.wire.alterReply(API.produce, throttle(1_500))
      await member.commit(set.commitOf(heard, 2))
      await member.commit(set.commitOf(heard, 3))
      expect(nextAfter(set.wire, API.produce, await happened)).toBeGreaterThanOrEqual(1_499)
      expect(heard.throttles).toEqual([1_500])
    },
  )
}

ownKafkaTest(
  'a transaction does not stay open for as long as its records are throttled',
  async (kafka) => {
    const set = await transacting(kafka)
    const { member, heard } = await set.join()
    await member.commit(set.commitOf(heard, 1))
    await expectNoneOpen(set)
    const throttled = await throttledCommit(set, (offset) =>
      member.commit(set.commitOf(heard, offset)),
    )
    expect(nextAfter(set.wire, API.endTxn, throttled)).toBeLessThan(THROTTLED_MS)
    const committedMs = performance.now()
    await member.commit(set.commitOf(heard, 10))
    // Neither is the next one opened before its records can go out.
    const opened = [API.produce, API.txnOffsetCommit].map((api) =>
      sentAfter(set.wire, api, committedMs),
    )
    const waitedMs = Math.min(...opened) - (throttled.answeredMs ?? 0)
    expect(waitedMs).toBeGreaterThanOrEqual(THROTTLED_MS - 1)
  },
)

ownKafkaTest('a wall clock that is set makes nothing go out again', async (kafka) => {
  const set = await transacting(kafka)
  const { member, heard } = await set.join()
  await member.commit(set.commitOf(heard, 1))
  await expectNoneOpen(set)
  const held = set.wire.hold(API.produce)
  const committing = member.commit(set.commitOf(heard, 2))
  await held.happened
  const heartbeat = set.wire.hold(API.heartbeat)
  await heartbeat.happened
  const before = [API.produce, API.joinGroup].map((api) => set.wire.passedOf(api).length)
  const jumpedMs = Date.now() + 3_600_000
  const clock = vi.spyOn(Date, 'now').mockReturnValue(jumpedMs)
  // Overdue answers are looked for every 100 ms.
  await new Promise((resolve) => setTimeout(resolve, 300))
  clock.mockRestore()
  held.release()
  heartbeat.release()
  await committing
  const after = [API.produce, API.joinGroup].map((api) => set.wire.passedOf(api).length)
  expect(after).toEqual([(before[0] ?? 0) + 1, before[1]])
})

describe('over a link of 50 KB a second', () => {
  ownKafkaTest(
    'exactly-once: what does not get through in time fails, a smaller commit does',
    async (kafka) => {
      const set = await transacting(kafka)
      const { member, heard } = await set.join()
      await member.commit(large(set, heard, { from: 0, count: 1 }))
      set.wire.node(1).limit(50_000)
      const startMs = performance.now()
      const error = await thrownBy(member.commit(large(set, heard, { from: 1, count: 200 })))
      expect(error).toMatchObject({ code: 'COMMIT_TIMED_OUT', action: 'retry' })
      // Before the broker ends the transaction by itself.
      expect(performance.now() - startMs).toBeLessThan(9_900)
      await member.commit(large(set, heard, { from: 1, count: 40 }))
      expect(await published(set)).toEqual(numbers(41))
      expectHeartbeats(set.wire)
    },
  )

  ownKafkaTest(
    'exactly-once: what cannot be smaller gets as long as its bytes need',
    async (kafka) => {
      const set = await transacting(kafka)
      const { member, heard } = await set.join()
      set.wire.node(1).limit(50_000)
      await member.commit(large(set, heard, { from: 0, count: 20 }))
      const smallest = { ...large(set, heard, { from: 20, count: 150 }), isSmallest: true }
      await member.commit(smallest)
      await member.commit(large(set, heard, { from: 170, count: 1 }))
      expect(await published(set)).toEqual(numbers(171))
      expectHeartbeats(set.wire)
    },
  )

  ownKafkaTest(
    'at-least-once: a commit takes as long as its bytes need, and each output is there once',
    async (kafka) => {
      const set = await transacting(kafka)
      const { member, heard } = await set.join({}, 'at-least-once')
      set.wire.node(1).limit(50_000)
      const startMs = performance.now()
      await member.commit(large(set, heard, { from: 0, count: 150 }))
      const bytes = set.wire.passedOf(API.produce).reduce((sum, sent) => sum + sent.bytes, 0)
      expect(bytes).toBeLessThan(1.1 * 150 * 4_000)
      expect(performance.now() - startMs).toBeLessThan((2 * 1_000 * bytes) / 50_000)
      expect(await published(set)).toEqual(numbers(150))
      expectHeartbeats(set.wire)
    },
  )
})

describe('under a quota of 100 KB a second', () => {
  for (const guarantee of GUARANTEES) {
    ownKafkaTest(
      `${guarantee}: commits get through at that pace, each output once`,
      async (kafka) => {
        const set = await transacting(kafka)
        const clientId = set.group
        await limitProducer(kafka.node(1).address, clientId, 100_000)
        const { member, heard } = await set.join({ clientId }, guarantee)
        const startMs = performance.now()
        for (let i = 0; i < 8; i++) {
          await member.commit(large(set, heard, { from: 50 * i, count: 50 }))
        }
        // The broker averages over 11 s, so that the first 1.1 MB are free.
        expect(performance.now() - startMs).toBeLessThan(1.3 * 1_000 * ((400 * 4_000) / 100_000))
        expect(heard.throttles.length).toBeGreaterThan(0)
        expect(await published(set)).toEqual(numbers(400))
        expectHeartbeats(set.wire)
      },
    )
  }
})
