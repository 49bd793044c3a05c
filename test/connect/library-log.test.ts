import { type LogEntry, logLevel } from 'kafkajs'
import { beforeEach, describe, expect, test } from 'vitest'
import { quietLog } from '../../src/connect/kafka/client/library.ts'
import { HandClock } from '../support/clocks.ts'

let told: string[]
let clock: HandClock
let write: (line: Partial<LogEntry>) => void

const broker = '127.0.0.1:9092'

/** An error in the form that the client library logs. */
function entry(namespace: string, message: string, more = {}): Partial<LogEntry> {
  const log = { message, timestamp: '', broker, clientId: 'tidemark', ...more }
  return { level: logLevel.ERROR, namespace, log }
}

beforeEach(() => {
  told = []
  clock = new HandClock(1_000)
  const created = quietLog((message) => told.push(message), clock)(logLevel.WARN)
  write = (line) => created(line as LogEntry)
})

describe('what the client library logs', () => {
  test.each([
    [
      entry('Connection', 'Connection error: connect ECONNREFUSED 127.0.0.1:9092'),
      `the connection to broker ${broker} failed: connect ECONNREFUSED ${broker}`,
    ],
    [
      entry('Connection', 'Connection timeout'),
      `broker ${broker} does not accept a connection, or does not answer on it`,
    ],
    [
      entry('New', 'Something new', { error: 'odd' }),
      `the Kafka client says about broker ${broker}: Something new: odd`,
    ],
  ])('is told in our words: %o', (line, message) => {
    write(line)
    expect(told).toEqual([message])
  })

  test.each([
    entry('Connection', 'Response Metadata(key: 3, version: 6)', { error: 'no leader' }),
    entry('RequestQueue', 'Response without match'),
    entry('BrokerPool', 'SASL SCRAM failed'),
    entry('SASLScramAuthenticator', 'SASL SCRAM failed'),
    entry('Admin', 'Could not create topics', { error: 'later' }),
    entry('Connection', 'Connection error: the driver is closed'),
    entry('Connection', 'Connection error: it was ended before it was connected'),
    { ...entry('Connection', 'Connecting'), level: logLevel.INFO },
  ])('is not told where it is thrown as well, or is none: %o', (line) => {
    write(line)
    expect(told).toEqual([])
  })

  test('is told again after a minute only', () => {
    const refused = entry('Connection', 'Connection error: connect ECONNREFUSED')
    for (const ms of [0, 30_000, 29_999, 1]) {
      clock.advance(ms)
      write(refused)
    }
    expect(told).toHaveLength(2)
  })
})
