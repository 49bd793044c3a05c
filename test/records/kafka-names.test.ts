import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished } from 'vitest'
import { KafkaRecords } from '../../src/records/kafka/kafka-records.ts'
import { until } from '../services/cluster.ts'
import { API } from '../services/faulty-wire.ts'
import type { OwnKafka } from '../services/from-maven.ts'
import { ownKafkaTests } from '../services/own-kafka.ts'
import { thrownBy } from '../support/thrown.ts'
import { Listener } from './listener.ts'
import { type Transacting, transacting } from './transacting.ts'

const SESSION_MS = 6_000
/** Longer than a worker's session. */
const DEAD_FOR_MS = 12_000
const SCRIPT = fileURLToPath(new URL('./joins-until-killed.mjs', import.meta.url))

/** A member that is dead, and that its group waits for until so much time has passed. */
async function dead({ wire, group, topic }: Transacting, sessionTimeoutMs: number) {
  const args = [wire.brokers.join(), group, topic, String(sessionTimeoutMs)]
  const child = spawn(process.execPath, ['--import', 'tsx', SCRIPT, ...args])
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
}

async function named(kafka: OwnKafka) {
  const set = await transacting(kafka)
  const records = new KafkaRecords({
    ...{ brokers: set.wire.brokers, workerName: 'w1', sessionTimeoutMs: SESSION_MS },
  })
  onTestFinished(() => records.close())
  const { group, topic } = set
  const join = (heard: Listener) =>
    records.join({ group, topics: [topic], from: 'earliest', handlers: heard })
  return { set, join }
}

type Named = Awaited<ReturnType<typeof named>>

async function expectItCommits(set: Transacting, join: Named['join']) {
  const heard = new Listener()
  const member = await join(heard)
  await member.commit(set.commitOf(heard, 1))
  expect(await set.published()).toEqual(['0/1'])
  expect(await set.memberIds()).toHaveLength(1)
}

describe('a worker with a name of its own', () => {
  ownKafkaTests((kafkaTest) => {
    kafkaTest('is no other than itself where the answer to its joining was lost', async (kafka) => {
      const { set, join } = await named(kafka)
      // The first answer tells the member's id, with the second one it is in.
      set.wire.loseReply(API.joinGroup, { nth: 2 })
      expect((await thrownBy(join(new Listener()))).code).toBe('BROKER_UNAVAILABLE')
      await expectItCommits(set, join)
    })

    kafkaTest(
      'nor where its connection was lost while the group waited for one that is dead',
      async (kafka) => {
        const { set, join } = await named(kafka)
        await dead(set, DEAD_FOR_MS)
        const joining = thrownBy(join(new Listener()))
        await until('waiting', async () => (await set.memberIds()).length === 2, SESSION_MS)
        set.wire.node(1).cut()
        expect((await joining).code).toBe('BROKER_UNAVAILABLE')
        await expectItCommits(set, join)
      },
    )
  })
})
