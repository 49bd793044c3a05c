import { expect } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { NewRecord } from '../../src/connect/port.ts'
import cardFraud from '../../topologies/card-fraud.ts'
import { blocksOf } from '../house/pages.ts'
import { Watch } from '../runtime/support.ts'
import {
  freshName,
  freshTopics,
  type KafkaService,
  kafkaTest,
  plainOptions,
} from '../services/kafka.ts'
import { tidemark } from '../support/command-line.ts'
import { prepare, startWorker } from '../support/in-process.ts'

// Dead letters that a worker has written, read by the commands.

const FILE = 'topologies/card-fraud.ts'
const START_MS = Date.UTC(2026, 0, 5, 6)

function payment(paidAt: number, amount: unknown = 1): string {
  const names = { paymentId: 'p', cardId: 'c-1', merchantId: 'm-1' }
  return JSON.stringify({ ...names, category: 'food', country: 'DE', amount, paidAt })
}

/** By code, how many records of a kind there are, and their value and key. */
const FAULTS: Readonly<Record<string, readonly [number, string | null, string | null]>> = {
  JSON_INVALID: [13, '{"paidAt":\u001b[2J', 'c-1'],
  SCHEMA_INVALID: [11, payment(START_MS, '\u202e12'), 'c-1'],
  TOMBSTONE: [7, null, 'c-1'],
  NULL_KEY: [5, payment(START_MS), null],
  TIME_UNIT: [3, payment(START_MS / 1_000), 'c-1'],
  LATE: [2, payment(START_MS - 120_000), 'c-1'],
}
const ALL = 41

/** Writes good payments and faulty ones in turn, and lets a worker work all of them. */
async function worked(kafka: KafkaService) {
  const records = new KafkaRecords(plainOptions(kafka))
  try {
    const names = ['payments', 'predictions', 'payments.dlq'] as const
    const { topics, flags } = await freshTopics(records, names, 1)
    const recordOf = (value: string | null, key: string | null): NewRecord => ({
      ...{ topic: topics.payments, partition: 0, timestampMs: START_MS, headers: [] },
      key: key === null ? null : Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
    })
    const faulty = Object.values(FAULTS).flatMap(([count, value, key]) => {
      return Array.from({ length: count }, () => recordOf(value, key))
    })
    const good = recordOf(payment(START_MS), 'c-1')
    const sent = [good, ...faulty.flatMap((record) => [record, good])]
    const writer = records.writer()
    await writer.write(sent)
    await writer.close()
    const prepared = await prepare([cardFraud], { topics })
    const watch = new Watch()
    const { observer } = watch
    const worker = startWorker({ prepared, records, group: freshName('letters'), observer })
    const isDone = () =>
      watch.of('committed').some((c) => c.nextOffsets[0]?.nextOffset === sent.length)
    await Promise.race([watch.until(isDone), worker.done])
    await worker.stop()
    await prepared.close()
    return {
      topic: topics['payments.dlq'],
      flags: [...flags, '--brokers', kafka.brokers.join(',')],
    }
  } finally {
    await records.close()
  }
}

/** The commands of the pages, without the name of the program. */
const commands = blocksOf('docs/runbook.md')
  .filter(({ language }) => language === 'sh')
  .flatMap(({ text }) => text.split('\n'))
  .filter((line) => line.startsWith('tidemark dlq '))
  .map((line) => line.split(' ').slice(1))

interface Listed {
  readonly letters: number
  readonly reasons: readonly {
    readonly words: { readonly code: string }
    readonly letters: number
    readonly oldest: { readonly partition: number; readonly offset: number }
  }[]
}

kafkaTest(
  'dlq list counts the faults that were sent, dlq show prints each, and both are as on the page',
  async (kafka) => {
    const { topic, flags } = await worked(kafka)
    const [list = [], since = [], show = []] = commands
    const listed = await tidemark([...list, ...flags])
    expect(listed).toMatchObject({ code: 0, stderr: '' })
    expect(listed.stdout).toContain(`${topic}: ${ALL} dead letters of card-fraud\n`)
    expect(listed.stdout).toMatch(/^SCHEMA_INVALID, decode, record +11 {2,}0\/\d+ {2}2026-01-05T/m)
    expect(listed.stdout).toMatch(/^2026-01-05T06 +41 {2}/m)

    const { stdout } = await tidemark([...since, ...flags])
    const { letters, reasons } = JSON.parse(stdout) as Listed
    const counts = reasons.map(({ words, letters: count }) => [words.code, count])
    expect(letters).toBe(ALL)
    expect(Object.fromEntries(counts)).toEqual(
      Object.fromEntries(Object.entries(FAULTS).map(([code, [count]]) => [code, count])),
    )

    const [command = '', action = '', file = '', ...others] = show
    expect(others).toEqual([expect.stringMatching(/^\d+\/\d+$/)])
    for (const { words, oldest } of reasons) {
      const place = `${oldest.partition}/${oldest.offset}`
      const shown = await tidemark([command, action, file, place, ...flags])
      expect(shown).toMatchObject({ code: 0, stderr: '' })
      expect(shown.stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u)
      const [, value = null, key = null] = FAULTS[words.code] ?? []
      const letter = JSON.parse(shown.stdout) as { readonly value: unknown }
      expect(letter).toMatchObject({ ...words, ...oldest, topic, key, why: null })
      const text = typeof letter.value === 'object' ? JSON.stringify(letter.value) : letter.value
      expect(text).toBe(value === null ? 'null' : value)
    }
    const after = await tidemark([...list, ...flags, '--from', 'latest'])
    expect(after.stdout).toBe(`${topic}: 0 dead letters of card-fraud\n`)
  },
)

kafkaTest('what cannot be read is refused with its place and a hint', async (kafka) => {
  const { topic, flags } = await worked(kafka)
  const show = (place: string) => tidemark(['dlq', 'show', FILE, place, ...flags])
  const beyond = await show('0/999999')
  expect(beyond.code).toBe(3)
  expect(beyond.stderr).toContain('CONFIG_INVALID')
  expect(beyond.stderr).toContain(`"${topic}" does not have this record: it would be beyond`)
  expect(beyond.stderr).toMatch(
    /^ {2}0\/999999\n {2}hint: partition 0 of 1 has \d+ offsets, from 0/m,
  )
  const [, offsets] = /has (\d+) offsets/.exec(beyond.stderr) ?? []
  const mark = await show(`0/${Number(offsets) - 1}`)
  expect([mark.code, mark.stderr]).toEqual([
    3,
    expect.stringContaining('has no record there, but the mark of a commit'),
  ])
  expect((await show('0')).code).toBe(2)
  const brokers = ['--brokers', kafka.brokers.join(',')]
  const missing = freshName('missing')
  const named = await tidemark([
    'dlq',
    'list',
    FILE,
    '--topic',
    `payments.dlq=${missing}`,
    ...brokers,
  ])
  expect(named.code).toBe(4)
  expect(named.stderr).toContain(`TOPIC_MISSING  topic "${missing}" does not exist`)
  expect(named.stderr).toContain('hint: if it has another name, give that one: --topic')
  const misspelt = await tidemark(['dlq', 'list', FILE, '--topic', 'payment.dlq=x', ...brokers])
  expect([misspelt.code, misspelt.stderr]).toEqual([
    3,
    expect.stringContaining('no topology has a topic "payment.dlq"'),
  ])
})
