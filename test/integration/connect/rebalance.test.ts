import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Kafka, logLevel, type PartitionAssigner, PartitionAssigners } from 'kafkajs'
import { describe, expect, onTestFinished } from 'vitest'
import type { KafkaOptions } from '../../../src/connect/kafka/client/options.ts'
import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'
import type { Member } from '../../../src/connect/port.ts'
import { Listener, record } from '../../connect/listener.ts'
import {
  freshName,
  type KafkaService,
  kafkaTest,
  plainOptions,
  readTopic,
  SESSION_MS,
} from '../../services/kafka.ts'
import { createTopics } from '../../services/topics.ts'
import { thrownBy } from '../../support/thrown.ts'

// A group on a real broker while its members come, go, hang and die.

const SCRIPT = fileURLToPath(new URL('./joins-until-killed.mjs', import.meta.url))

async function setUp(kafka: KafkaService, partitions: number) {
  const open = (options: Partial<KafkaOptions> = {}) => {
    const records = new KafkaRecords({ ...plainOptions(kafka), ...options })
    onTestFinished(() => records.close())
    return records
  }
  const records = open()
  const [topic, outputs, group] = [freshName('topic'), freshName('outputs'), freshName('group')]
  await createTopics(kafka, records, [
    { name: topic, partitions },
    { name: outputs, partitions: 1 },
  ])
  const library = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING })
  const admin = library.admin()
  await admin.connect()
  onTestFinished(() => admin.disconnect())
  /** A member of this driver, by a connection of its own. */
  const join = async (of = records): Promise<{ member: Member; heard: Listener }> => {
    const heard = new Listener()
    const member = await of.join({ group, topics: [topic], from: 'earliest', handlers: heard })
    return { member, heard }
  }
  /** A plain member of the library, which reads with what is given. */
  const joinPlain = async (eachMessage: () => Promise<void>, assigner?: PartitionAssigner) => {
    const assigners = assigner === undefined ? {} : { partitionAssigners: [assigner] }
    const consumer = library.consumer({
      groupId: group,
      heartbeatInterval: 100,
      maxWaitTimeInMs: 50,
      ...assigners,
    })
    onTestFinished(() => consumer.disconnect())
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    const joined = new Promise((resolve) => consumer.on('consumer.group_join', resolve))
    await consumer.run({ eachMessage })
    await joined
  }
  /** One record for each partition. */
  const fill = async () => {
    const writer = records.writer()
    await writer.write(
      Array.from({ length: partitions }, (_, p) => record(topic, { partition: p })),
    )
    await writer.close()
  }
  const describeGroup = async () => (await admin.describeGroups([group])).groups[0]
  const stateOfGroup = async () => (await describeGroup())?.state
  const rule = async () => (await describeGroup())?.protocol
  return { records, open, topic, outputs, group, join, joinPlain, fill, stateOfGroup, rule }
}

/** Something that happens when it is let. */
function gate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

type SetUp = Awaited<ReturnType<typeof setUp>>
type Joined = Awaited<ReturnType<SetUp['join']>>

/**
 * Commits one output after the other, each with a metadata that counts them, until the group
 * rebalances. Returns how many it took. The member has one partition.
 */
async function commitUntilRebalancing({ outputs }: SetUp, { member, heard }: Joined) {
  const [assignment] = heard.assignments
  if (assignment === undefined) throw new Error('nothing was assigned')
  for (let taken = 0; ; taken++) {
    const next = { ...assignment, metadata: String(taken + 1) }
    try {
      await member.commit({ outputs: [record(outputs)], deadLetters: [], nextOffsets: [next] })
    } catch (error) {
      expect(error).toMatchObject({ code: 'REBALANCING' })
      return { taken, assignment }
    }
  }
}

/** Resolves when the member's commits are taken again. */
async function commits({ outputs }: SetUp, { member }: Joined): Promise<void> {
  for (let isTaken = false; !isTaken; ) {
    try {
      await member.commit({ outputs: [record(outputs)], deadLetters: [], nextOffsets: [] })
      isTaken = true
    } catch (error) {
      expect(error).toMatchObject({ code: 'REBALANCING' })
    }
  }
}

/** Expects that the group and the outputs hold what was taken, and that nothing more is taken. */
async function expectStandstill(of: SetUp, joined: Joined): Promise<void> {
  const { taken, assignment } = await commitUntilRebalancing(of, joined)
  for (let attempt = 0; attempt < 3; attempt++) {
    expect((await commitUntilRebalancing(of, joined)).taken).toBe(0)
  }
  expect(await readTopic(of.records, of.outputs)).toHaveLength(taken)
  const committed = async () => {
    const partitionOffsets = await of.records.offsets(of.group, of.topic)
    return partitionOffsets[assignment.partition]?.committed?.metadata
  }
  if (taken > 0) while ((await committed()) !== String(taken));
}

describe('a group on a real broker', () => {
  kafkaTest(
    'assigns partitions by its own rule, but by one that a plain member knows while there is one',
    async (kafka) => {
      const { joinPlain, join, rule } = await setUp(kafka, 4)
      const { heard } = await join()
      expect(await rule()).toBe('tidemark-sticky')
      await joinPlain(async () => {})
      expect(await rule()).toBe('RoundRobinAssigner')
      await heard.until(() => heard.losses.length > 0)
    },
  )

  kafkaTest('commits nothing while it waits for a member to join again', async (kafka) => {
    const set = await setUp(kafka, 3)
    const [busy, released] = [gate(), gate()]
    await set.joinPlain(() => {
      busy.open()
      return released.opened
    })
    const one = await set.join()
    await set.fill()
    await busy.opened
    const joining = set.join(set.open())
    await expectStandstill(set, one)
    expect(await set.stateOfGroup()).toBe('PreparingRebalance')
    released.open()
    await joining
    await commits(set, one)
  })

  kafkaTest('commits nothing while the leader assigns the partitions', async (kafka) => {
    const set = await setUp(kafka, 3)
    let released = Promise.resolve()
    const slow: PartitionAssigner = (config) => {
      const assigner = PartitionAssigners.roundRobin(config)
      return {
        ...assigner,
        assign: async (members) => {
          await released
          return assigner.assign(members)
        },
      }
    }
    // Who comes first leads.
    await set.joinPlain(async () => {}, slow)
    const one = await set.join()
    const { opened, open } = gate()
    released = opened
    const joining = set.join(set.open())
    await expectStandstill(set, one)
    while ((await set.stateOfGroup()) !== 'CompletingRebalance');
    // JoinGroup has been answered: there is a new generation, but it is not this member's to use.
    for (let attempt = 0; attempt < 20; attempt++) {
      expect((await commitUntilRebalancing(set, one)).taken).toBe(0)
      expect(await set.stateOfGroup()).toBe('CompletingRebalance')
    }
    open()
    await joining
    await commits(set, one)
  })

  kafkaTest('takes over from a member that was killed', async (kafka) => {
    const { topic, group, open, join } = await setUp(kafka, 2)
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', SCRIPT, kafka.brokers.join(), group, topic, String(SESSION_MS)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    onTestFinished(() => {
      child.kill('SIGKILL')
    })
    await once(child.stdout, 'data')
    const { heard } = await join(open({ sessionTimeoutMs: SESSION_MS }))
    expect(heard.assignments).toHaveLength(1)
    child.kill('SIGKILL')
    const killedMs = performance.now()
    await heard.until(() => heard.assignments.length === 2)
    // The session, and not the time that members have to join again, which is three of them.
    expect(performance.now() - killedMs).toBeLessThan(3 * SESSION_MS)
    expect(heard.losses).toEqual([])
  })

  kafkaTest(
    'keeps a member whose partitions are paused and whose process is busy',
    async (kafka) => {
      const { topic, open, join } = await setUp(kafka, 2)
      const { member, heard } = await join(open({ sessionTimeoutMs: SESSION_MS }))
      for (const partition of [0, 1]) member.pause({ topic, partition })
      for (const endMs = performance.now() + SESSION_MS + 2_000; performance.now() < endMs; ) {
        const turnEndMs = performance.now() + 50
        while (performance.now() < turnEndMs);
        await new Promise((resolve) => setImmediate(resolve))
      }
      const nextOffsets = [{ ...heard.assignment(), nextOffset: 0, metadata: '' }]
      await member.commit({ outputs: [], deadLetters: [], nextOffsets })
      expect(heard.losses).toEqual([])
    },
  )

  kafkaTest('refuses a session that the broker does not take', async (kafka) => {
    const { open, join } = await setUp(kafka, 1)
    expect((await thrownBy(join(open({ sessionTimeoutMs: 300 })))).code).toBe('CONFIG_INVALID')
  })
})
