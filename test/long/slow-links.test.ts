import { describe, expect } from 'vitest'
import {
  GUARANTEES,
  numbered,
  numbers,
  publishedNumbers,
  transacting,
} from '../integration/connect/transacting.ts'
import { API, type FaultyWire } from '../services/faulty-wire.ts'
import { ownKafkaTest } from '../services/own-kafka.ts'
import { limitProducer } from '../services/quota.ts'
import { thrownBy } from '../support/thrown.ts'

// A link that carries little, and a quota.

/** Size of the outputs, bytes. */
const BYTES = 4_000

/** The member was heard of by the group often enough to be one all the time. */
function expectHeartbeats(wire: FaultyWire): void {
  expect(wire.passedOf(API.joinGroup).length).toBeLessThanOrEqual(2)
}

describe('over a link of 50 KB a second', () => {
  ownKafkaTest(
    'exactly-once: what does not get through in time fails, a smaller commit does',
    async (kafka) => {
      const set = await transacting(kafka)
      const { member, heard } = await set.join()
      await member.commit(numbered(set, heard, { from: 0, count: 1, bytes: BYTES }))
      set.wire.node(1).limit(50_000)
      const startMs = performance.now()
      const error = await thrownBy(
        member.commit(numbered(set, heard, { from: 1, count: 200, bytes: BYTES })),
      )
      expect(error).toMatchObject({ code: 'COMMIT_TIMED_OUT', action: 'retry' })
      // Before the broker ends the transaction by itself.
      expect(performance.now() - startMs).toBeLessThan(9_900)
      await member.commit(numbered(set, heard, { from: 1, count: 40, bytes: BYTES }))
      expect(await publishedNumbers(set)).toEqual(numbers(41))
      expectHeartbeats(set.wire)
    },
  )

  ownKafkaTest(
    'exactly-once: what cannot be smaller gets as long as its bytes need',
    async (kafka) => {
      const set = await transacting(kafka)
      const { member, heard } = await set.join()
      set.wire.node(1).limit(50_000)
      await member.commit(numbered(set, heard, { from: 0, count: 20, bytes: BYTES }))
      const smallest = {
        ...numbered(set, heard, { from: 20, count: 150, bytes: BYTES }),
        isSmallest: true,
      }
      await member.commit(smallest)
      await member.commit(numbered(set, heard, { from: 170, count: 1, bytes: BYTES }))
      expect(await publishedNumbers(set)).toEqual(numbers(171))
      expectHeartbeats(set.wire)
    },
  )

  ownKafkaTest(
    'at-least-once: a commit sends its bytes once, and each output is there once',
    async (kafka) => {
      const set = await transacting(kafka)
      const { member, heard } = await set.join({}, 'at-least-once')
      set.wire.node(1).limit(50_000)
      await member.commit(numbered(set, heard, { from: 0, count: 150, bytes: BYTES }))
      const bytes = set.wire.passedOf(API.produce).reduce((sum, sent) => sum + sent.bytes, 0)
      expect(bytes).toBeLessThan(1.1 * 150 * 4_000)
      expect(await publishedNumbers(set)).toEqual(numbers(150))
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
          await member.commit(numbered(set, heard, { from: 50 * i, count: 50, bytes: BYTES }))
        }
        // The broker averages over 11 s, so that the first 1.1 MB are free.
        expect(performance.now() - startMs).toBeLessThan(1.3 * 1_000 * ((400 * 4_000) / 100_000))
        expect(heard.throttles.length).toBeGreaterThan(0)
        expect(await publishedNumbers(set)).toEqual(numbers(400))
        expectHeartbeats(set.wire)
      },
    )
  }
})
