import { ConfigResourceTypes } from 'kafkajs'
import { describe, expect } from 'vitest'
import type { TidemarkError } from '../../../src/kernel/errors.ts'
import { type Listener, record } from '../../connect/listener.ts'
import { until } from '../../services/cluster.ts'
import { API, type Exchange } from '../../services/faulty-wire.ts'
import { ownKafkaTest } from '../../services/own-kafka.ts'
import { thrownBy } from '../../support/thrown.ts'
import {
  commitUntilTaken,
  expectNoneOpen,
  GUARANTEES,
  numbered,
  numbers,
  publishedNumbers,
  type Transacting,
  transacting,
} from './transacting.ts'

// Requests to a broker, and sinks that are not as they were.

const NO_PARTITION = 99
/** Size of the outputs, bytes. */
const BYTES = 10_000

/** Until the pace is known, batches are small. */
async function warmedUp(set: Transacting, guarantee: (typeof GUARANTEES)[number]) {
  const joined = await set.join({}, guarantee)
  await joined.member.commit(numbered(set, joined.heard, { from: 0, count: 200, bytes: BYTES }))
  return joined
}

describe('what is asked of a broker', () => {
  ownKafkaTest('records are acknowledged by all replicas that are in sync', async (kafka) => {
    const set = await transacting(kafka)
    for (const guarantee of GUARANTEES) {
      const { member, heard } = await set.join({}, guarantee)
      await member.commit(set.commitOf(heard, 1))
      await member.leave()
    }
    // Behind the transactional id; in a newer version no tagged fields come first, then one more
    // than its length.
    const acksOf = ({ version, body }: Exchange) => {
      if (version >= 9) return body.readInt16BE(body.readUInt8(1) + 1)
      return body.readInt16BE(2 + Math.max(0, body.readInt16BE(0)))
    }
    const acks = set.wire.passedOf(API.produce).map(acksOf)
    expect(new Set(acks)).toEqual(new Set([-1]))
  })

  ownKafkaTest('a transaction may be open for 10 s', async (kafka) => {
    const set = await transacting(kafka)
    const { member, heard } = await set.join()
    await member.commit(set.commitOf(heard, 1))
    const times = set.wire
      .passedOf(API.initProducerId)
      .map(({ body }) => body.readInt32BE(body.readUInt8(1) + 1))
    expect(new Set(times)).toEqual(new Set([10_000]))
  })

  ownKafkaTest('a leader has no more requests than it can tell repetitions of', async (kafka) => {
    const set = await transacting(kafka)
    const { member, heard } = await set.join({}, 'at-least-once')
    await member.commit(numbered(set, heard, { from: 0, count: 1, bytes: BYTES }))
    const before = set.wire.passedOf(API.produce).length
    const held = set.wire.holdReply(API.produce)
    const committing = member.commit(numbered(set, heard, { from: 1, count: 99, bytes: BYTES }))
    await held.happened
    const sent = () => set.wire.passedOf(API.produce).slice(before)
    await until('full', async () => sent().length >= 4)
    expect(sent()).toHaveLength(4)
    held.release()
    await committing
    expect(await publishedNumbers(set)).toEqual(numbers(100))
  })
})

describe('a leader that does not know this producer yet', () => {
  for (const guarantee of GUARANTEES) {
    ownKafkaTest(
      `${guarantee}: takes no batch before the first, which it refused`,
      async (kafka) => {
        const set = await transacting(kafka)
        const { member, heard } = await set.join({}, guarantee)
        const refused = set.wire.alter(API.produce, (body, { version }) => {
          const behindTopic = body.indexOf(set.outputs) + set.outputs.length
          body.writeInt32BE(NO_PARTITION, behindTopic + (version >= 9 ? 1 : 4))
        })
        await member.commit(numbered(set, heard, { from: 0, count: 100, bytes: BYTES }))
        await refused.happened
        expect(await publishedNumbers(set)).toEqual(numbers(100))
      },
    )
  }
})

describe('batches that are too large for the topic', () => {
  for (const guarantee of GUARANTEES) {
    ownKafkaTest(`${guarantee}: they keep below the size of its segments`, async (kafka) => {
      const config = { 'segment.bytes': '1048576', 'max.message.bytes': '4000000' }
      const set = await transacting(kafka, 1, { config })
      const { member, heard } = await warmedUp(set, guarantee)
      await member.commit(numbered(set, heard, { from: 200, count: 300, bytes: BYTES }))
      expect(await publishedNumbers(set)).toEqual(numbers(500))
    })

    ownKafkaTest(
      `${guarantee}: they are split when it takes less than it did at start`,
      async (kafka) => {
        const set = await transacting(kafka)
        const { member, heard } = await warmedUp(set, guarantee)
        await set.admin.alterConfigs({
          validateOnly: false,
          resources: [
            {
              type: ConfigResourceTypes.TOPIC,
              name: set.outputs,
              configEntries: [{ name: 'max.message.bytes', value: '100000' }],
            },
          ],
        })
        await commitUntilTaken(member, () =>
          numbered(set, heard, { from: 200, count: 300, bytes: BYTES }),
        )
        expect(await publishedNumbers(set)).toEqual(numbers(500))
        const single = record(set.outputs, { value: Buffer.alloc(200_000) })
        const error = await thrownBy(
          member.commit({ ...set.commitOf(heard, 1), outputs: [single] }),
        )
        expect(error.code).toBe('TOPIC_LIMITS')
      },
    )
  }
})

const asThrown = (thrown: unknown) => thrown as TidemarkError

describe('a sink that is deleted', () => {
  ownKafkaTest('and made again with fewer partitions gets what waited', async (kafka) => {
    const set = await transacting(kafka, 1, { partitions: 4 })
    const keyed = (heard: Listener, value: string) => ({
      ...set.commitOf(heard, 1),
      outputs: numbers(20).map((i) =>
        record(set.outputs, {
          partition: null,
          key: Buffer.from(`k${i}`),
          value: Buffer.from(value),
        }),
      ),
    })
    const { member, heard } = await set.join()
    await member.commit(keyed(heard, 'before'))
    await expectNoneOpen(set)
    await set.admin.deleteTopics({ topics: [set.outputs] })
    // A broker may take records for a moment after it has agreed to delete their topic.
    const tried = () => member.commit(keyed(heard, 'gone')).then(() => null, asThrown)
    let gone = await tried()
    while (gone === null) gone = await tried()
    expect(gone.action).toBe('retry')
    const missing = await thrownBy(member.commit(keyed(heard, 'gone')))
    expect(missing).toMatchObject({
      code: 'BROKER_UNAVAILABLE',
      message: `topic "${set.outputs}" is not there any more`,
    })
    await set.admin.createTopics({ topics: [{ topic: set.outputs, numPartitions: 1 }] })
    await commitUntilTaken(member, () => keyed(heard, 'after'))
    expect(await set.published()).toEqual(numbers(20).map(() => 'after'))
  })
})

describe('a member that the group has given up', () => {
  ownKafkaTest('at-least-once: sends nothing that has waited meanwhile', async (kafka) => {
    const set = await transacting(kafka)
    const one = await set.join({}, 'at-least-once')
    await one.member.commit(set.commitOf(one.heard, 1))
    const held = set.wire.hold(API.heartbeat)
    await held.happened
    const other = await set.join({ brokers: kafka.service.brokers }, 'at-least-once')
    await other.heard.until(() => other.heard.assignments.length > 0)
    const late = thrownBy(one.member.commit(set.commitOf(one.heard, 2)))
    held.release()
    expect(['REBALANCING', 'FENCED']).toContain((await late).code)
    expect(await set.published()).toEqual(['0/1'])
  })
})

describe('the end of a transaction', () => {
  for (const [name, code] of [
    ['UNKNOWN_SERVER_ERROR', -1],
    ['INVALID_TXN_STATE', 48],
  ] as const) {
    ownKafkaTest(`that is answered with ${name} though it was taken counts once`, async (kafka) => {
      const set = await transacting(kafka)
      const { member, heard } = await set.join()
      await member.commit(set.commitOf(heard, 1))
      // Behind the throttle time; in a newer version no tagged fields come first.
      const { happened } = set.wire.alterReply(API.endTxn, (body, { version }) =>
        body.writeInt16BE(code, version >= 3 ? 5 : 4),
      )
      const codes = await commitUntilTaken(member, () => set.commitOf(heard, 2))
      await happened
      await member.commit(set.commitOf(heard, 3))
      expect(codes).toEqual([])
      expect(await set.published()).toEqual(['0/1', '0/2', '0/3'])
    })
  }
})
