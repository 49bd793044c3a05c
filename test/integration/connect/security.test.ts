import { describe, expect, test } from 'vitest'
import type { KafkaOptions } from '../../../src/connect/kafka/client/options.ts'
import { KafkaRecords } from '../../../src/connect/kafka/kafka-records.ts'
import { Refused } from '../../../src/kernel/errors.ts'
import { Listener, record } from '../../connect/listener.ts'
import { freshName, secureOptions } from '../../services/kafka.ts'
import { secureKafkaTest } from '../../services/own-kafka.ts'
import { createTopics } from '../../services/topics.ts'
import { thrownBy } from '../../support/thrown.ts'

/** Joins and waits for the first record, which keeps the assignment that it came under. */
async function joinAndRead(records: KafkaRecords, group: string, topic: string) {
  const heard = new Listener()
  const member = await records.join({ group, topics: [topic], from: 'earliest', handlers: heard })
  await heard.until(() => heard.chunks.length > 0)
  return { member, assignment: heard.assignment(), value: heard.values()[0] }
}

describe('security', () => {
  secureKafkaTest('SCRAM over TLS connects, produces, reads and commits', async (secure, kafka) => {
    const records = new KafkaRecords(secureOptions(secure))
    const [topic, group] = [freshName('topic'), freshName('group')]
    await createTopics(kafka, records, [{ name: topic, partitions: 1 }])
    const writer = records.writer()
    await writer.write([record(topic, { value: Buffer.from('secret') }), record(topic)])
    await writer.close()
    const first = await joinAndRead(records, group, topic)
    expect(first.value).toBe('secret')
    const next = { ...first.assignment, nextOffset: 1, metadata: 'm' }
    await first.member.commit({ outputs: [record(topic)], deadLetters: [], nextOffsets: [next] })
    await first.member.leave()
    const second = await joinAndRead(records, group, topic)
    expect(second.assignment).toMatchObject({ nextOffset: 1, metadata: 'm' })
    expect(second.value).toBe('v')
    await second.member.leave()
    await records.close()
  })

  secureKafkaTest('a wrong password is told as such, at once', async (secure) => {
    const records = new KafkaRecords(secureOptions(secure, { password: 'wrong' }))
    expect((await thrownBy(records.describe(['t']))).code).toBe('AUTHENTICATION')
    const join = records.join({
      group: 'g',
      topics: ['t'],
      from: 'earliest',
      handlers: new Listener(),
    })
    expect((await thrownBy(join)).code).toBe('AUTHENTICATION')
    await records.close()
  })

  secureKafkaTest('a mechanism that the broker does not offer is told as such', async (secure) => {
    const records = new KafkaRecords(secureOptions(secure, { mechanism: 'scram-sha-256' }))
    expect((await thrownBy(records.describe(['t']))).code).toBe('AUTHENTICATION')
    await records.close()
  })

  secureKafkaTest('a login that is missing is told as such', async (secure) => {
    const { sasl: _, ...options } = secureOptions(secure)
    const records = new KafkaRecords(options)
    expect(await thrownBy(records.describe(['t']))).toMatchObject({
      code: 'AUTHENTICATION',
      message: 'the connection ends at the first request of a client that does not log in',
      where: secure.brokers.join(),
    })
    await records.close()
  })

  secureKafkaTest('a login that is not wanted is told as such', async (secure, kafka) => {
    const { sasl } = secureOptions(secure)
    const records = new KafkaRecords({ brokers: kafka.brokers, ...(sasl && { sasl }) })
    expect(await thrownBy(records.describe(['t']))).toMatchObject({
      code: 'AUTHENTICATION',
      message: 'there is no login here: the listener is one without SASL',
      where: kafka.brokers.join(),
    })
    await records.close()
  })

  secureKafkaTest('a broker whose certificate is not trusted is refused', async (secure) => {
    const records = new KafkaRecords({ ...secureOptions(secure), tls: true })
    const error = await thrownBy(records.describe(['t']))
    expect(error.code).toBe('AUTHENTICATION')
    expect(error.message).toBe('no TLS with a broker: its certificate is not trusted')
    expect([error.where, error.hint]).toEqual([secure.brokers[0], 'give its CA with --tls-ca'])
    await records.close()
  })

  secureKafkaTest('a port that speaks TLS is told to a client that does not', async (secure) => {
    const records = new KafkaRecords({ brokers: secure.brokers })
    expect(await thrownBy(records.describe(['t']))).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`${secure.brokers[0]} speaks TLS, and this client does not`),
      hint: expect.stringContaining('--tls'),
    })
    await records.close()
  })

  secureKafkaTest('one that does not is told to a client that does', async (secure, kafka) => {
    const [broker = ''] = kafka.brokers
    const records = new KafkaRecords({ ...secureOptions(secure), brokers: [broker] })
    expect(await thrownBy(records.describe(['t']))).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`${broker} does not speak TLS, and this client does`),
    })
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
