import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { Guarantee } from '../../src/connect/port.ts'
import { answersOf, placeOf } from '../golden/answers.ts'
import { compareGolden, type Golden, readGolden, SEVERAL_MODELS } from '../golden/golden.ts'
import {
  freshName,
  freshTopics,
  type KafkaService,
  kafkaTest,
  plainOptions,
} from '../services/kafka.ts'
import { start } from '../services/tidemark-in-test.ts'
import { tidemark } from '../support/command-line.ts'
import { folderWith } from '../support/folder.ts'
import { headerOf } from '../support/headers.ts'

// The golden folders through the command line: `dev`, and `run` on a real Kafka.

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
/** The golden's topology with its features in the outputs. */
const withFeatures = (golden: Golden) =>
  here(`../golden/topologies/${basename(golden.topologyFile)}`)
const guardFlags = (golden: Golden) =>
  golden.maxAhead === null ? [] : ['--max-ahead', golden.maxAhead]
const parseLines = (text: string) =>
  text
    .split('\n')
    .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Record<string, unknown>]))

test.each(['card-edge', 'flight-delay', ...SEVERAL_MODELS])(
  'through dev, every line of %s gets its expected answer',
  async (name) => {
    const golden = readGolden(here(`../golden/${name}`))
    const letters = join(folderWith({}), 'dead-letters.ndjson')
    const stdin = golden.lines.map(({ key, value }) => `${key}\t${value}\n`).join('')
    const args = ['dev', withFeatures(golden), '--dead-letters', letters, ...guardFlags(golden)]
    const { code, stdout, stderr } = await tidemark(args, { stdin })
    expect({ code, stderr }).toMatchObject({ code: 0 })
    // An output names its event, not its line: of two events with one name the first output is the
    // first line's.
    const places = golden.lines.map(({ partition }, offset) => ({ partition, offset }))
    const linesOfId = new Map<unknown, number[]>()
    for (const [line, { value }] of golden.lines.entries()) {
      const id = /"(?:paymentId|flightId)":"([^"]*)"/.exec(value)?.[1]
      if (golden.expected[line]?.outcome === 'scored')
        linesOfId.set(id, [...(linesOfId.get(id) ?? []), line])
    }
    const outputs = parseLines(stdout).map((value) => {
      const line = linesOfId.get(value[golden.idField])?.shift() ?? -1
      return { ...(places[line] ?? { partition: -1, offset: -1 }), value }
    })
    const deadLetters = parseLines(readFileSync(letters, 'utf8')).map((letter) => ({
      ...(places[(letter['line'] as number) - 1] as (typeof places)[number]),
      code: letter['code'] as string,
    }))
    expect(compareGolden(golden, answersOf(golden, places, { outputs, deadLetters }))).toEqual([])
  },
)

for (const [name, guarantee] of [
  ['card-edge', 'exactly-once'],
  ['card-routes', 'exactly-once'],
  ['flight-delay', 'at-least-once'],
] as const) {
  kafkaTest(
    `through run ${guarantee}, every line of ${name} gets its expected answer`,
    async (kafka) => {
      const golden = readGolden(here(`../golden/${name}`))
      const records = new KafkaRecords(plainOptions(kafka))
      try {
        const outcome = await runOnKafka(kafka, records, { golden, guarantee })
        const { places, outputs, deadLetters } = outcome
        const answers = answersOf(golden, places, { outputs, deadLetters })
        expect(compareGolden(golden, answers)).toEqual([])
      } finally {
        await records.close()
      }
    },
  )
}

/** Produces the lines, scores them with `tidemark run`, stops it, and reads all it wrote. */
async function runOnKafka(
  kafka: KafkaService,
  records: KafkaRecords,
  { golden, guarantee }: { golden: Golden; guarantee: Guarantee },
) {
  const logical = golden.name.startsWith('card-')
    ? { source: 'payments', sink: 'predictions' }
    : { source: 'flights', sink: 'flight-predictions' }
  const names = [logical.source, logical.sink, `${logical.source}.dlq`] as const
  const { topics, flags } = await freshTopics(records, names, golden.partitions)
  const [source = '', sink = '', dead = ''] = names.map((name) => topics[name])
  const places = await produce(records, golden, source)
  const run = start([
    'run',
    withFeatures(golden),
    ...['--brokers', kafka.brokers.join(','), '--group', freshName('golden')],
    ...[...flags, '--guarantee', guarantee],
    ...guardFlags(golden),
  ])
  const skipped = golden.expected.filter((e) => e.outcome === 'skipped').length
  const outputs: { partition: number; offset: number; value: unknown }[] = []
  const deadLetters: { partition: number; offset: number; code: string }[] = []
  const expectedDead = golden.expected.filter(
    (e) => e.outcome === 'late' || e.outcome === 'malformed',
  )
  const expectedOutputs = golden.lines.length - skipped - expectedDead.length
  for await (const record of readUntil(records, sink, expectedOutputs)) {
    outputs.push({ ...placeOf(record), value: JSON.parse(String(record.value)) })
  }
  for await (const record of readUntil(records, dead, expectedDead.length)) {
    deadLetters.push({ ...placeOf(record), code: headerOf(record, 'tidemark.code') ?? '' })
  }
  run.process.kill('SIGTERM')
  const { code, stderr } = await run.ended
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return { places, outputs, deadLetters }
}

async function produce(records: KafkaRecords, golden: Golden, topic: string) {
  const writer = records.writer()
  try {
    await writer.write(
      golden.lines.map(({ key, value, partition }) => ({
        topic,
        partition,
        key: Buffer.from(key),
        value: Buffer.from(value),
        timestampMs: Date.now(),
        headers: [],
      })),
    )
  } finally {
    await writer.close()
  }
  const ends = new Map<number, number>()
  return golden.lines.map(({ partition }) => {
    const offset = ends.get(partition) ?? 0
    ends.set(partition, offset + 1)
    return { partition, offset }
  })
}

/** The first `count` records of a topic. */
async function* readUntil(records: KafkaRecords, topic: string, count: number) {
  if (count === 0) return
  let seen = 0
  for await (const chunk of await records.read({ topic, from: 'earliest', until: 'closed' })) {
    for (const record of chunk.records) {
      yield record
      seen++
    }
    if (seen >= count) return
  }
}
