import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { KafkaOptions } from '../../src/connect/kafka/client/options.ts'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import {
  freshName,
  freshTopics,
  type KafkaService,
  kafkaTest,
  plainOptions,
} from '../services/kafka.ts'
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
    expect(JSON.parse(predictions[0] ?? '')).toMatchObject({ model: 'card-gbdt@2' })

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
  'produce that is stopped says how many records it has written, and once that it writes no key',
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
      /^! lines without a key become records without a key, all in partition 0; .* --key FIELD/,
    )
    expect(signal).toMatch(/^SIGINT: /)
    expect(end).toMatch(/^\d+ records? /)
    expect(Number.parseInt(end ?? '', 10)).toBeLessThan(SAMPLE_LINES.length / 10)
    expect(more).toEqual([''])

    const keyed = await tidemark(['produce', file, ...into, '--key', 'cardId'])
    expect(keyed.stderr).toMatch(new RegExp(`^${SAMPLE_LINES.length} records `))
  },
)

/**
 * Three records of one partition: at 1,000, 2,000 and 3,000 ms past a time that no retention
 * reaches.
 */
async function threeRecords(kafka: KafkaService) {
  const records = new KafkaRecords(plainOptions(kafka))
  const { topics } = await freshTopics(records, ['three'], 1)
  const startMs = Date.now() - 60_000
  const writer = records.writer()
  await writer.write(
    [1, 2, 3].map((n) => ({
      ...{ topic: topics.three, partition: 0, timestampMs: startMs + n * 1_000 },
      ...{ key: Buffer.from(`k${n}`), value: Buffer.from(`v${n}`) },
      headers: [{ name: 'n', value: Buffer.from(String(n)) }],
    })),
  )
  await writer.close()
  await records.close()
  return { topic: topics.three, startMs }
}

kafkaTest('consume begins at an offset or a time, and shows what a record has', async (kafka) => {
  const { topic, startMs } = await threeRecords(kafka)
  const shown = async (from: string) => {
    const read = ['consume', '--topic', topic, '--brokers', kafka.brokers.join(',')]
    const format = ['--format', '%h %p %o %T %k %v']
    const { code, stdout } = await tidemark([...read, '--from', from, '--exit', ...format])
    expect(code).toBe(0)
    return stdout
  }
  const [first, second, third] = [1, 2, 3].map(
    (n) => `n=${n} 0 ${n - 1} ${startMs + n * 1_000} k${n} v${n}\n`,
  )
  const places = ['0', '2', '999', `@${startMs + 2_000}`, `@${startMs + 3_001}`]
  expect(await Promise.all(places.map(shown))).toEqual([
    ...[`${first}${second}${third}`, third, ''],
    ...[`${second}${third}`, ''],
  ])
  expect(await shown(new Date(startMs + 2_001).toISOString())).toBe(third)
})

kafkaTest('produce and consume name a topic that does not exist, and end with 4', async (kafka) => {
  const missing = freshName('missing')
  const there = ['--topic', missing, '--brokers', kafka.brokers.join(',')]
  for (const args of [['produce', SAMPLE], ['consume'], ['consume', '--from', '@1']]) {
    const { code, stdout, stderr } = await tidemark([...args, ...there])
    expect([code, stdout]).toEqual([4, ''])
    expect(stderr).toContain(`✗ TOPIC_MISSING  topic "${missing}" does not exist\n`)
  }
})

kafkaTest('consume that is told to end while it waits says how much it was', async (kafka) => {
  const { topic } = await threeRecords(kafka)
  const waiting = start(['consume', '--topic', topic, '--brokers', kafka.brokers.join(',')])
  await once(waiting.process.stdout, 'data')
  waiting.process.kill('SIGINT')
  expect(await waiting.ended).toMatchObject({
    ...{ code: 0, stdout: 'v1\nv2\nv3\n' },
    stderr: 'SIGINT: finishing what is in flight; send it again to exit at once\n3 records\n',
  })
})

for (const workers of ['1', '2']) {
  kafkaTest(
    `a topic that does not exist ends run with 4 and the command that makes it, said once; workers: ${workers}`,
    async (kafka) => {
      const { flags } = await cardTopics(plainOptions(kafka))
      const missing = freshName('missing')
      const chosen = flags.map((flag) =>
        flag.startsWith('payments=') ? `payments=${missing}` : flag,
      )
      const run = ['run', TOPOLOGY, '--workers', workers, '--brokers', kafka.brokers.join(',')]
      const { code, stderr } = await tidemark([...run, ...chosen])
      expect(code).toBe(4)
      expect(stderr.split(`✗ TOPIC_MISSING  topic "${missing}" does not exist`)).toHaveLength(2)
      expect(stderr).toMatch(
        /"code":"TOPIC_MISSING","where":"card-fraud","hint":"kafka-topics.sh .*"/,
      )
      expect(stderr).toMatch(new RegExp(`hint: .*--create --topic ${missing} --partitions 6`))
    },
  )
}

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
