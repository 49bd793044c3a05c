import { expect, vi } from 'vitest'
import { API, type Exchange, type FaultyWire } from '../services/faulty-wire.ts'
import { ownKafkaTests } from '../services/own-kafka.ts'
import { transacting } from './transacting.ts'

// A broker that makes its clients wait, and a link that carries little.

const GUARANTEES = ['exactly-once', 'at-least-once'] as const

/** Puts a throttle time into an answer to Produce: it is the last field, before the tagged ones. */
function throttle(ms: number) {
  return (body: Buffer, { version }: Exchange) => {
    body.writeInt32BE(ms, body.length - (version >= 9 ? 5 : 4))
  }
}

const last = (wire: FaultyWire, api: number) => wire.passedOf(api).at(-1) as Exchange

ownKafkaTests((kafkaTest) => {
  for (const guarantee of GUARANTEES) {
    kafkaTest(
      `${guarantee}: no records go out before the time has passed for which the broker throttles`,
      async (kafka) => {
        const set = await transacting(kafka)
        const { member, heard } = await set.join({}, guarantee)
        await member.commit(set.commitOf(heard, 1))
        set.wire.alterReply(API.produce, throttle(1_500))
        await member.commit(set.commitOf(heard, 2))
        const throttled = last(set.wire, API.produce)
        await member.commit(set.commitOf(heard, 3))
        const waitedMs =
          (last(set.wire, API.produce).forwardedMs ?? 0) - (throttled.answeredMs ?? 0)
        expect(waitedMs).toBeGreaterThanOrEqual(1_499)
        expect(heard.throttles).toEqual([1_500])
      },
    )
  }

  kafkaTest(
    'a transaction does not stay open for as long as its records are throttled',
    async (kafka) => {
      const set = await transacting(kafka)
      const { member, heard } = await set.join()
      await member.commit(set.commitOf(heard, 1))
      set.wire.alterReply(API.produce, throttle(1_500))
      await member.commit(set.commitOf(heard, 2))
      const throttled = last(set.wire, API.produce)
      const ended = last(set.wire, API.endTxn)
      expect((ended.forwardedMs ?? 0) - (throttled.answeredMs ?? 0)).toBeLessThan(500)
      await member.commit(set.commitOf(heard, 3))
      // Neither is the next one opened before its records can go out.
      const [opened, sent] = [last(set.wire, API.txnOffsetCommit), last(set.wire, API.produce)]
      expect((sent.forwardedMs ?? 0) - (opened.forwardedMs ?? 0)).toBeLessThan(500)
    },
  )

  kafkaTest('a wall clock that is set makes nothing go out again', async (kafka) => {
    const set = await transacting(kafka)
    const { member, heard } = await set.join()
    await member.commit(set.commitOf(heard, 1))
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
})
