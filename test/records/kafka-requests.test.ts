import { describe, expect } from 'vitest'
import { API, type Exchange } from '../services/faulty-wire.ts'
import { ownKafkaTests } from '../services/own-kafka.ts'
import { record } from './listener.ts'
import { transacting } from './transacting.ts'

// What only the wire shows: a broker takes it either way, and nothing is lost until something else goes wrong.

const ALL_IN_SYNC = -1
const OPEN_MS = 10_000
/** A broker keeps the last five batches of a producer to know a repeated one by. */
const MOST_IN_FLIGHT = 4
const MB = 1_000_000

/** What follows the transactional id; requests of flexible versions have tagged fields before it. */
function afterId({ body }: Exchange, isFlexible: boolean): Buffer {
  if (!isFlexible) return body.subarray(2 + Math.max(0, body.readInt16BE(0)))
  const length = body.readUInt8(1)
  return body.subarray(2 + Math.max(0, length - 1))
}

describe('every request', () => {
  ownKafkaTests((kafkaTest) => {
    for (const guarantee of ['exactly-once', 'at-least-once'] as const) {
      kafkaTest(`to write waits for all replicas that are in sync, ${guarantee}`, async (kafka) => {
        const set = await transacting(kafka)
        const { member, heard } = await set.join({}, guarantee)
        await member.commit(set.commitOf(heard, 1))
        const acks = set.wire
          .passedOf(API.produce)
          .map((written) => afterId(written, written.version >= 9).readInt16BE(0))
        expect(new Set(acks)).toEqual(new Set([ALL_IN_SYNC]))
      })
    }

    kafkaTest('for a transaction lets it be open for no more than 10 s', async (kafka) => {
      const set = await transacting(kafka)
      const { member, heard } = await set.join()
      await member.commit(set.commitOf(heard, 1))
      const times = set.wire
        .passedOf(API.initProducerId)
        .map((asked) => afterId(asked, asked.version >= 2).readInt32BE(0))
      expect(Math.max(...times)).toBe(OPEN_MS)
    })

    kafkaTest('to write is one of four on their way at most', async (kafka) => {
      const set = await transacting(kafka)
      const { member, heard } = await set.join()
      const held = set.wire.holdReply(API.produce)
      const value = Buffer.alloc(MB / 50)
      const { nextOffsets } = set.commitOf(heard, 1)
      const outputs = Array.from({ length: 100 }, () => record(set.outputs, { value }))
      const committing = member.commit({ outputs, deadLetters: [], nextOffsets })
      await held.happened
      held.release()
      await committing
      const written = set.wire.passedOf(API.produce)
      const at = (n: Exchange) => written.filter((o) => isOpenAt(o, n.forwardedMs ?? 0)).length
      expect(written.length).toBeGreaterThan(MOST_IN_FLIGHT)
      expect(Math.max(...written.map(at))).toBe(MOST_IN_FLIGHT)
    })
  })
})

function isOpenAt({ forwardedMs, answeredMs }: Exchange, ms: number): boolean {
  return (forwardedMs ?? Infinity) <= ms && ms < (answeredMs ?? Infinity)
}
