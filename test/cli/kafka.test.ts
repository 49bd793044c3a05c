import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { KafkaRecords } from '../../src/records/kafka/kafka-records.ts'
import type { KafkaOptions } from '../../src/records/kafka/options.ts'
import { freshName, freshTopics, kafkaTest, plainOptions } from '../services/kafka.ts'
import { secureKafkaTest } from '../services/own-kafka.ts'
import { httpOf, start, tidemark } from '../services/tidemark-in-test.ts'
import { folderWith } from '../support/folder.ts'

// The commands that speak to a broker, on a real one.

const TOPOLOGY = 'topologies/card-fraud.ts'
const SAMPLE = 'topologies/samples/payments.tsv'
const SAMPLE_LINES = readFileSync(SAMPLE, 'utf8').trimEnd().split('\n')

/** New topics for card-fraud, and the flags that choose them. */
async function cardTopics(options: KafkaOptions) {
  const records = new KafkaRecords(options)
  try {
    return await freshTopics(records, ['payments', 'predictions', 'payments.dlq'], 6)
  } finally {
    await records.close()
  }
}

kafkaTest(
  'produce, run and consume carry events to predictions; run is ready and serves',
  async (kafka) => {
    const { topics, flags } = await cardTopics(plainOptions(kafka))
    const brokers = ['--brokers', kafka.brokers.join(',')]
    const into = ['--topic', topics.payments]
    const produced = await tidemark(['produce', SAMPLE, ...into, ...brokers])
    expect(produced).toMatchObject({ code: 0, stdout: '' })
    expect(produced.stderr).toMatch(new RegExp(`^${SAMPLE_LINES.length} records `, 'm'))

    const group = ['--group', freshName('group')]
    const run = start(['run', TOPOLOGY, ...brokers, ...flags, ...group, '--http-port', '0'])
    const from = ['--topic', topics.predictions]
    const consumed = await tidemark(['consume', ...from, '--max', '400', ...brokers])
    expect(consumed).toMatchObject({ code: 0, stderr: '400 records\n' })
    const predictions = consumed.stdout.trimEnd().split('\n')
    expect(predictions).toHaveLength(400)
    expect(JSON.parse(predictions[0] ?? '')).toMatchObject({ model: 'card-gbdt@1' })

    const http = await httpOf(run)
    expect((await fetch(`${http}/readyz`)).status).toBe(200)
    expect(await (await fetch(`${http}/metrics`)).text()).toContain(
      'tidemark_records_consumed_total',
    )
    run.process.kill('SIGTERM')
    expect((await run.ended).code).toBe(0)
  },
)

kafkaTest(
  'produce that is stopped says how much of the file it has written, and once that it writes no key',
  async (kafka) => {
    const { topics } = await cardTopics(plainOptions(kafka))
    const lines = SAMPLE_LINES.map((line) => line.slice(line.indexOf('\t') + 1))
    const file = join(folderWith({ 'payments.ndjson': lines.join('\n') }), 'payments.ndjson')
    const into = ['--topic', topics.payments, '--brokers', kafka.brokers.join(',')]
    const slowly = start(['produce', file, ...into, '--time', 'paidAt', '--speed', '0.1'])
    await tidemark(['consume', ...into, '--max', '1'])
    slowly.process.kill('SIGINT')
    const { code, stderr } = await slowly.ended
    expect(code).toBe(0)
    const [note, signal, end, ...more] = stderr.split('\n')
    expect(note).toMatch(
      /^! records are written without a key, all to partition 0, .* --key FIELD /,
    )
    expect(signal).toMatch(/^SIGINT: /)
    expect(end).toMatch(/^\d %  \d+ records? /)
    expect(more).toEqual([''])

    const keyed = await tidemark(['produce', file, ...into, '--key', 'cardId'])
    expect(keyed.stderr).toMatch(new RegExp(`^${SAMPLE_LINES.length} records `))
  },
)

kafkaTest(
  'a topic that does not exist ends run with 4 and the command that makes it',
  async (kafka) => {
    const { flags } = await cardTopics(plainOptions(kafka))
    const missing = freshName('missing')
    const chosen = flags.map((flag) =>
      flag.startsWith('payments=') ? `payments=${missing}` : flag,
    )
    const brokers = kafka.brokers.join(',')
    const { code, stderr } = await tidemark(['run', TOPOLOGY, '--brokers', brokers, ...chosen])
    expect(code).toBe(4)
    expect(stderr).toContain(`✗ TOPIC_MISSING  topic "${missing}" does not exist`)
    expect(stderr).toMatch(
      /"code":"TOPIC_MISSING","where":"card-fraud","hint":"kafka-topics.sh .*"/,
    )
    expect(stderr).toMatch(new RegExp(`hint: .*--create --topic ${missing} --partitions 6`))
  },
)

secureKafkaTest(
  'the flags and the environment reach a broker over TLS with SCRAM',
  async (secure) => {
    const { caFile, username, password } = secure
    const options: KafkaOptions = {
      brokers: secure.brokers,
      tls: { ca: readFileSync(caFile, 'utf8') },
      sasl: { mechanism: 'scram-sha-512', username, password },
    }
    const { topics } = await cardTopics(options)
    const flags = [
      ...['--topic', topics.payments, '--brokers', secure.brokers.join(',')],
      ...['--tls', '--tls-ca', caFile],
      ...['--sasl-mechanism', 'scram-sha-512', '--sasl-username', username],
    ]
    const env = { TIDEMARK_SASL_PASSWORD: password }
    expect(await tidemark(['produce', SAMPLE, ...flags], { env })).toMatchObject({ code: 0 })
    const read = await tidemark(['consume', ...flags, '--exit', '--format', '%k'], { env })
    expect(read.stdout.trimEnd().split('\n')).toHaveLength(SAMPLE_LINES.length)

    const wrong = { env: { TIDEMARK_SASL_PASSWORD: 'wrong' } }
    const refused = await tidemark(['consume', ...flags], wrong)
    expect(refused.code).toBe(4)
    expect(refused.stderr).toContain('✗ AUTHENTICATION')
  },
)
