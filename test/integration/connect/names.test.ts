import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { logLevel } from 'kafkajs'
import { describe, expect, onTestFinished } from 'vitest'
import { Brokers } from '../../../src/connect/kafka/client/brokers.ts'
import { clientConfig } from '../../../src/connect/kafka/client/options.ts'
import { membersNamed } from '../../../src/connect/kafka/group/zombie-fencing.ts'
import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'
import { Listener } from '../../connect/listener.ts'
import { until } from '../../services/cluster.ts'
import { API } from '../../services/faulty-wire.ts'
import type { OwnKafka } from '../../services/from-maven.ts'
import { membersOf } from '../../services/group.ts'
import { LONG_SESSION_MS, SESSION_MS } from '../../services/kafka.ts'
import { ownKafkaTest } from '../../services/own-kafka.ts'
import { thrownBy } from '../../support/thrown.ts'
import { commitUntilTaken, type Transacting, transacting } from './transacting.ts'

/** Longer than a worker's session. */
const DEAD_FOR_MS = 1.5 * SESSION_MS
const SCRIPT = fileURLToPath(new URL('./joins-until-killed.mjs', import.meta.url))

/** A member that is dead, and that its group waits for until so much time has passed. */
async function dead(
  { wire, group, topic }: Transacting,
  sessionTimeoutMs: number,
  ...defaultName: readonly string[]
) {
  const args = [wire.brokers.join(), group, topic, String(sessionTimeoutMs), ...defaultName]
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
  ownKafkaTest(
    'is no other than itself where the answer to its joining was lost',
    async (kafka) => {
      const { set, join } = await named(kafka)
      // The first answer tells the member's id, with the second one it is in.
      set.wire.loseReply(API.joinGroup, { nth: 2 })
      expect((await thrownBy(join(new Listener()))).code).toBe('BROKER_UNAVAILABLE')
      await expectItCommits(set, join)
    },
  )

  ownKafkaTest(
    'nor where its connection was lost while the group waited for one that is dead',
    async (kafka) => {
      const { set, join } = await named(kafka)
      await dead(set, DEAD_FOR_MS)
      const joining = thrownBy(join(new Listener()))
      await until('waiting', async () => (await set.memberIds()).length === 2)
      set.wire.node(1).cut()
      expect((await joining).code).toBe('BROKER_UNAVAILABLE')
      await expectItCommits(set, join)
    },
  )
})

describe('a worker with a name by default', () => {
  const name = 'host-1'

  /** A group, workers of that name, and the client ids of its members. */
  async function defaults(kafka: OwnKafka) {
    const set = await transacting(kafka, 2)
    const open = () => {
      const { group, topic } = set
      const records = new KafkaRecords({ brokers: set.wire.brokers, defaultName: name })
      onTestFinished(() => records.close())
      return (heard: Listener) =>
        records.join({ group, topics: [topic], from: 'earliest', handlers: heard })
    }
    const [address = ''] = kafka.service.brokers
    const members = async () => (await membersOf(address, set.group)).sort()
    return { set, open, members }
  }

  ownKafkaTest('takes the place of the dead one from its address at once', async (kafka) => {
    const { set, open, members } = await defaults(kafka)
    await dead(set, LONG_SESSION_MS, name)
    const heard = new Listener()
    const member = await open()(heard)
    await member.commit(set.commitOf(heard, 1))
    expect(heard.assignments).toHaveLength(2)
    expect(await members()).toEqual([name])
    expect(await set.published()).toEqual(['0/1'])
  })

  ownKafkaTest('is told from which address each member of its group came', async (kafka) => {
    const { set, open } = await defaults(kafka)
    await open()(new Listener())
    const config = clientConfig({ brokers: kafka.service.brokers })
    const brokers = new Brokers({ ...config, logLevel: logLevel.NOTHING })
    onTestFinished(() => brokers.close())
    await brokers.connect()
    const { members } = await membersNamed(name, set.group, brokers)
    expect(members).toMatchObject([
      { memberId: expect.any(String), clientId: name, clientHost: '/127.0.0.1' },
    ])
  })

  ownKafkaTest(
    'that is put out by one of its name drops what it has, comes back without the name, and puts nobody out',
    async (kafka) => {
      const { set, open, members } = await defaults(kafka)
      const [one, another] = [open(), open()]
      const heard = new Listener()
      const first = await one(heard)
      await first.commit(set.commitOf(heard, 1))
      const others = new Listener()
      let second = await another(others)
      expect(await heard.fails()).toMatchObject({ code: 'WORKER_NAME_LOST', action: 'retry' })
      expect(heard.whys).toEqual(['expelled'])
      expect(heard.losses).toHaveLength(2)

      const again = new Listener()
      const back = await one(again)
      expect(await members()).toEqual([name, 'tidemark'])
      await others.until(() => others.losses.length === 1)
      const [mine = 0] = again.assignments.map(({ partition }) => partition)
      await commitUntilTaken(back, () => set.commitOf(again, 2, mine))
      const left = mine === 0 ? 1 : 0
      await commitUntilTaken(second, () => set.commitOf(others, 2, left))

      // Each comes again, and finds the other one: nobody is put out.
      await second.leave()
      second = await another(new Listener())
      await back.leave()
      const last = new Listener()
      await one(last)
      expect(await members()).toEqual([name, 'tidemark'])
      expect([...again.whys, ...others.whys, ...last.whys]).not.toContain('expelled')
      expect([again.failure, others.failure, last.failure]).toEqual([null, null, null])
      expect(await set.published()).toEqual(['0/1', `${mine}/2`, `${left}/2`])
    },
  )
})
