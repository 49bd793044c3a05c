import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Refused, TidemarkError } from '../../src/kernel/errors.ts'
import { KafkaRecords } from '../../src/records/kafka/kafka-records.ts'
import type { KafkaOptions, KafkaSasl } from '../../src/records/kafka/options.ts'
import type { Assignment, MemberHandlers } from '../../src/records/port.ts'
import { freshName, type KafkaService, secureKafkaTest } from '../services/kafka.ts'
import { record } from './contract.ts'

type Secure = NonNullable<KafkaService['secure']>

function options(secure: Secure, sasl: Partial<KafkaSasl> = {}): KafkaOptions {
  const { brokers, caFile, username, password } = secure
  return {
    brokers,
    tls: { ca: readFileSync(caFile, 'utf8') },
    sasl: { mechanism: 'scram-sha-512', username, password, ...sasl },
  }
}

async function errorOf(work: Promise<unknown>): Promise<TidemarkError> {
  try {
    await work
  } catch (error) {
    if (error instanceof TidemarkError) return error
  }
  throw new Error('no TidemarkError was thrown')
}

/** Joins and waits for the first record, which keeps the assignment that it came under. */
async function joinAndRead(records: KafkaRecords, group: string, topic: string) {
  let assignment: Assignment | undefined
  let read: (value: string) => void = () => {}
  const value = new Promise<string>((resolve) => {
    read = resolve
  })
  const handlers: MemberHandlers = {
    assigned: ([first]) => {
      assignment = first
    },
    lost: () => {},
    chunk: (chunk) => read(String(chunk.records[0]?.value)),
    caughtUp: () => {},
    failed: (error) => read(error.message),
  }
  const member = await records.join({ group, topics: [topic], handlers })
  if (assignment === undefined) throw new Error('nothing was assigned')
  return { member, assignment, value }
}

describe('security', () => {
  secureKafkaTest('SCRAM over TLS connects, produces, reads and commits', async (secure) => {
    const records = new KafkaRecords(options(secure))
    const [topic, group] = [freshName('topic'), freshName('group')]
    await records.createTopics([{ name: topic, partitions: 1 }])
    const writer = records.writer()
    await writer.send([record(topic, { value: Buffer.from('secret') }), record(topic)])
    await writer.close()
    const first = await joinAndRead(records, group, topic)
    expect(await first.value).toBe('secret')
    const next = { ...first.assignment, nextOffset: 1, metadata: 'm' }
    await first.member.commit({ outputs: [record(topic)], deadLetters: [], nextOffsets: [next] })
    await first.member.leave()
    const second = await joinAndRead(records, group, topic)
    expect(second.assignment).toMatchObject({ nextOffset: 1, metadata: 'm' })
    expect(await second.value).toBe('v')
    await second.member.leave()
    await records.close()
  })

  secureKafkaTest('a wrong password is told as such, at once', async (secure) => {
    const records = new KafkaRecords(options(secure, { password: 'wrong' }))
    expect((await errorOf(records.describeTopics(['t']))).code).toBe('AUTHENTICATION')
    const handlers: MemberHandlers = {
      assigned: () => {},
      lost: () => {},
      chunk: () => {},
      caughtUp: () => {},
      failed: () => {},
    }
    const join = records.join({ group: 'g', topics: ['t'], handlers })
    expect((await errorOf(join)).code).toBe('AUTHENTICATION')
    await records.close()
  })

  secureKafkaTest('a mechanism that the broker does not offer is told as such', async (secure) => {
    const records = new KafkaRecords(options(secure, { mechanism: 'scram-sha-256' }))
    expect((await errorOf(records.describeTopics(['t']))).code).toBe('AUTHENTICATION')
    await records.close()
  })

  secureKafkaTest('a broker whose certificate is not trusted is refused', async (secure) => {
    const records = new KafkaRecords({ ...options(secure), tls: true })
    const error = await errorOf(records.describeTopics(['t']))
    expect(error.code).toBe('AUTHENTICATION')
    expect(error.hint).toContain('certificate')
    await records.close()
  })

  test.each<[string, KafkaOptions]>([
    [
      'SASL PLAIN without TLS',
      {
        brokers: ['b:9092'],
        sasl: { mechanism: 'plain', username: 'u', password: 'p' },
      },
    ],
    ['no broker', { brokers: [] }],
    ['a broker without a port', { brokers: ['localhost'] }],
    ['a client certificate without its key', { brokers: ['b:9092'], tls: { cert: 'PEM' } }],
  ])('%s is refused before a connection is tried', (_, refused) => {
    const create = () => new KafkaRecords(refused)
    expect(create).toThrow(Refused)
    expect(create).toThrow(/^CONFIG_INVALID/)
  })

  test('what is wrong is told all at once, and never the password', () => {
    const create = () =>
      new KafkaRecords({
        brokers: ['one', 'two'],
        sasl: { mechanism: 'plain', username: 'u', password: 'hunter2' },
      })
    expect(create).toThrow(/"one"[^]*"two"[^]*PLAIN/)
    expect(create).not.toThrow(/hunter2/)
  })
})
