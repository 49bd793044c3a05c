import { expect, vi } from 'vitest'
import { API, type Exchange, type FaultyWire } from '../../services/faulty-wire.ts'
import { ownKafkaTest } from '../../services/own-kafka.ts'
import { expectNoneOpen, type Transacting, transacting } from './transacting.ts'

// A broker that makes its clients wait.

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
