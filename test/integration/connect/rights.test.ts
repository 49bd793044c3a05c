import kafkajs, { Kafka, logLevel } from 'kafkajs'
import { describe, expect, onTestFinished } from 'vitest'
import type { KafkaOptions } from '../../../src/connect/kafka/client/options.ts'
import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'
import { Listener, record } from '../../connect/listener.ts'
import { until } from '../../services/cluster.ts'
import { freshName, type KafkaService, type Secure, secureOptions } from '../../services/kafka.ts'
import { secureKafkaTest } from '../../services/own-kafka.ts'
import { createTopics } from '../../services/topics.ts'
import { thrownBy } from '../../support/thrown.ts'

// Rights that a user lacks. Brokers of the tests let everybody do what no ACL is about, so that an
// ACL of another user takes a right.

const {
  AclOperationTypes: Operation,
  AclPermissionTypes: Permission,
  AclResourceTypes: Resource,
  ResourcePatternTypes: Pattern,
} = kafkajs

interface Right {
  readonly on: 'TOPIC' | 'GROUP' | 'TRANSACTIONAL_ID'
  readonly name: string
  readonly operation: 'READ' | 'WRITE'
  /** @default 'LITERAL' */
  readonly pattern?: 'LITERAL' | 'PREFIXED'
}

async function setUp(secure: Secure, kafka: KafkaService) {
  const open = (options: Partial<KafkaOptions> = {}) => {
    const records = new KafkaRecords({ ...secureOptions(secure), ...options })
    onTestFinished(() => records.close())
    return records
  }
  const admin = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  onTestFinished(() => admin.disconnect())
  const allow = async (user: string, ...rights: readonly Right[]) => {
    const acl = rights.map(({ on, name, operation, pattern = 'LITERAL' }) => ({
      resourceType: Resource[on],
      resourceName: name,
      resourcePatternType: Pattern[pattern],
      principal: `User:${user}`,
      host: '*',
      operation: Operation[operation],
      permissionType: Permission.ALLOW,
    }))
    await admin.createAcls({ acl })
    // The controller has written them down; the broker that is asked may not have read that yet.
    const known = () => Promise.all(acl.map((one) => admin.describeAcls(one)))
    const areAll = async () => (await known()).every(({ resources }) => resources.length > 0)
    await until('known', areAll)
  }
  const superuser = new KafkaRecords({ brokers: kafka.brokers })
  onTestFinished(() => superuser.close())
  const [source, sink, group] = [freshName('source'), freshName('sink'), freshName('group')]
  await createTopics(kafka, superuser, [
    { name: source, partitions: 1 },
    { name: sink, partitions: 1 },
  ])
  const needs = { group, guarantee: 'exactly-once', reads: [source], writes: [sink] } as const
  const rights: readonly Right[] = [
    { on: 'TOPIC', name: source, operation: 'READ' },
    { on: 'TOPIC', name: sink, operation: 'WRITE' },
    { on: 'GROUP', name: group, operation: 'READ' },
    { on: 'TRANSACTIONAL_ID', name: `${group}-`, operation: 'WRITE', pattern: 'PREFIXED' },
  ]
  const join = (records: KafkaRecords, heard = new Listener()) =>
    records.join({ group, topics: [source], from: 'earliest', handlers: heard })
  return { open, allow, superuser, needs, rights, source, sink, group, join }
}

describe('a right that is missing', () => {
  secureKafkaTest('is told with all others, before anything is joined', async (secure, kafka) => {
    const { open, allow, needs, rights, source, sink, group } = await setUp(secure, kafka)
    const records = open({ workerName: 'w-1' })
    expect(await records.missingRights(needs)).toEqual([])
    await allow('other', ...rights)
    const faults = await records.missingRights(needs)
    expect(faults.map(({ code, action }) => [code, action])).toEqual(
      rights.map(() => ['AUTHORIZATION', 'refuse']),
    )
    expect(faults.map(({ message }) => message)).toEqual([
      `the user has no right to READ the topic "${source}"`,
      `the user has no right to WRITE the topic "${sink}"`,
      `the user has no right to READ the group "${group}"`,
      expect.stringMatching(
        new RegExp(`^the user has no right to WRITE the transactional id "${group}-w-1-\\w+"$`),
      ),
    ])
    expect(faults[1]?.hint).toContain(`--operation Write --topic ${sink}`)
    const atLeastOnce = await records.missingRights({ ...needs, guarantee: 'at-least-once' })
    expect(atLeastOnce).toHaveLength(3)
    await allow('tidemark', ...rights)
    expect(await records.missingRights(needs)).toEqual([])
  })

  for (const [i, what] of ['topic', 'group', 'transactional id'].entries()) {
    secureKafkaTest(`to the ${what} ends a join, at once`, async (secure, kafka) => {
      const { open, allow, rights, join } = await setUp(secure, kafka)
      const right = [rights[0], rights[2], rights[3]][i] as Right
      await allow('other', right)
      const startMs = performance.now()
      const operation = what === 'topic' ? 'DESCRIBE' : right.operation
      expect(await thrownBy(join(open()))).toMatchObject({
        code: 'AUTHORIZATION',
        message: expect.stringContaining(`${operation} the ${what} "${right.name}`),
      })
      expect(performance.now() - startMs).toBeLessThan(8_000)
    })
  }

  secureKafkaTest('to read a topic outside of a group ends that', async (secure, kafka) => {
    const { open, allow, superuser, source } = await setUp(secure, kafka)
    const writer = superuser.writer()
    await writer.write([record(source)])
    await writer.close()
    await allow('tidemark', { on: 'TOPIC', name: source, operation: 'WRITE' })
    const reader = await open().read({ topic: source, from: 'earliest', until: 'end' })
    expect(await thrownBy(reader[Symbol.asyncIterator]().next())).toMatchObject({
      code: 'AUTHORIZATION',
      message: `the user has no right to READ the topic "${source}"`,
      hint: expect.stringContaining('--operation Read'),
    })
  })

  secureKafkaTest('to an output ends a commit', async (secure, kafka) => {
    const { open, allow, superuser, join, source, sink } = await setUp(secure, kafka)
    const writer = superuser.writer()
    await writer.write([record(source)])
    await writer.close()
    await allow('tidemark', { on: 'TOPIC', name: sink, operation: 'READ' })
    const heard = new Listener()
    const member = await join(open(), heard)
    await heard.until(() => heard.chunks.length === 1)
    const next = { ...heard.assignment(), nextOffset: 1, metadata: '' }
    const commit = { outputs: [record(sink)], deadLetters: [], nextOffsets: [next] }
    expect(await thrownBy(member.commit(commit))).toMatchObject({
      code: 'AUTHORIZATION',
      message: `the user has no right to WRITE the topic "${sink}"`,
    })
  })
})

describe('looking for missing rights', () => {
  secureKafkaTest('takes nothing from a worker of that name', async (secure, kafka) => {
    const { open, superuser, needs, join, source } = await setUp(secure, kafka)
    const heard = new Listener()
    const member = await join(open({ workerName: 'w-1' }), heard)
    const commit = async (nextOffset: number) => {
      const writer = superuser.writer()
      await writer.write([record(source)])
      await writer.close()
      await heard.until(() => heard.chunks.length === nextOffset)
      const next = { ...heard.assignment(), nextOffset, metadata: '' }
      await member.commit({ outputs: [], deadLetters: [], nextOffsets: [next] })
    }
    await commit(1)
    expect(await open({ workerName: 'w-1' }).missingRights(needs)).toEqual([])
    await commit(2)
    expect(heard.losses).toEqual([])
  })
})

describe('two groups whose names and workers read the same', () => {
  secureKafkaTest('do not shut each other out', async (secure, kafka) => {
    const { open, superuser, source, group } = await setUp(secure, kafka)
    const members = await Promise.all(
      (
        [
          [group, 'eu-0'],
          [`${group}-eu`, '0'],
        ] as const
      ).map(async ([of, workerName]) => {
        const heard = new Listener()
        const options = { group: of, topics: [source], from: 'earliest', handlers: heard } as const
        return { heard, member: await open({ workerName }).join(options) }
      }),
    )
    const writer = superuser.writer()
    for (let nextOffset = 1; nextOffset <= 3; nextOffset++) {
      await writer.write([record(source)])
      for (const { heard, member } of members) {
        await heard.until(() => heard.chunks.at(-1)?.nextOffset === nextOffset)
        const next = { ...heard.assignment(), nextOffset, metadata: '' }
        await member.commit({ outputs: [], deadLetters: [], nextOffsets: [next] })
      }
    }
    await writer.close()
    expect(members.map(({ heard }) => heard.losses)).toEqual([[], []])
  })
})
