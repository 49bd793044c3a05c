import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { LogRecord } from '../../src/connect/port.ts'
import { payments } from '../integration/card-fraud.ts'
import { type Groups, outputsOf } from '../integration/many-groups.ts'
import type { End } from '../integration/workers-until-killed.ts'
import { freshName, kafkaTest, plainOptions, readTopic } from '../services/kafka.ts'
import { headerOf } from '../support/headers.ts'

// Workers that are killed at each of 30 offsets, and what comes of the records after all.

const PROGRAM = fileURLToPath(new URL('../integration/workers-until-killed.ts', import.meta.url))
const OFFSETS = 30
const RECORDS = OFFSETS + 20
const MOMENTS = ['between', 'during', 'before'] as const
const SEED = 3

kafkaTest(
  `killed at ${OFFSETS} offsets at least once: nothing is lost, and what comes again has the same id and says the same`,
  async (kafka) => {
    const records = new KafkaRecords(plainOptions(kafka))
    onTestFinished(() => records.close())
    const groups: Groups = {
      ...{ brokers: kafka.brokers, payments: freshName('payments') },
      guarantee: 'at-least-once',
    }
    await records.create([{ name: groups.payments, partitions: 1 }])
    await send(records, groups.payments)
    const ends = Array.from({ length: OFFSETS }, (_, i): End => {
      const moment = MOMENTS[i % MOMENTS.length] as End['moment']
      return { group: freshName(`killed-${i + 1}`), offset: i + 1, moment }
    })
    const whole = freshName('never-killed')
    await createOutputs(records, [whole])
    expect(await runAll(groups, [toTheEnd(whole)])).toMatchObject({ code: 0 })
    const expected = await outcomesOf(records, whole)
    expect(expected.size).toBe(RECORDS)

    let repeated = 0
    const names = ends.map(({ group }) => group)
    await createOutputs(records, names)
    expect(await runAll(groups, ends)).toEqual({ code: null, signal: 'SIGKILL' })
    expect(await runAll(groups, names.map(toTheEnd))).toMatchObject({ code: 0 })
    for (const { group, offset, moment } of ends) {
      const outcomes = await outcomesOf(records, group)
      const where = `killed ${moment} the commit at offset ${offset}`
      const missing = [...expected.keys()].filter((id) => !outcomes.has(id))
      const others = [...outcomes].flatMap(([id, values]) =>
        values.filter((value) => value !== expected.get(id)?.[0]).map(() => id),
      )
      expect({ where, missing, others }).toEqual({ where, missing: [], others: [] })
      for (const values of outcomes.values()) repeated += values.length - 1
    }
    // Without repeated outcomes, nothing was cut off between outputs and offsets.
    expect(repeated).toBeGreaterThanOrEqual(OFFSETS / MOMENTS.length)
  },
  480_000,
)

async function send(records: KafkaRecords, topic: string): Promise<void> {
  const writer = records.writer()
  const lines = [...payments(RECORDS, SEED)]
  await writer.write(
    lines.map(({ key, value }) => ({
      ...{ topic, partition: 0, key: Buffer.from(key), value: Buffer.from(value) },
      ...{ timestampMs: Date.now(), headers: [] },
    })),
  )
  await writer.close()
}

async function createOutputs(records: KafkaRecords, groups: readonly string[]): Promise<void> {
  const names = groups.flatMap((group) => Object.values(outputsOf(group)))
  await records.create(names.map((name) => ({ name, partitions: 1 })))
}

function toTheEnd(group: string): End {
  return { group, offset: null, moment: 'before' }
}

/** Workers in a process of their own; how that ended. */
async function runAll(groups: Groups, ends: readonly End[]) {
  const args = ['--import', 'tsx', PROGRAM, JSON.stringify(groups), JSON.stringify(ends)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const [code, signal] = await once(child, 'exit')
  return { code, signal }
}

/** The outcomes of the payments by id; a dead letter goes by the offset it names. */
async function outcomesOf(records: KafkaRecords, group: string): Promise<Map<string, string[]>> {
  const { predictions, deadLetters } = outputsOf(group)
  const outcomes = new Map<string, string[]>()
  for (const topic of [predictions, deadLetters]) {
    for (const record of await readTopic(records, topic)) {
      const id = headerOf(record, 'tidemark-id') ?? ''
      outcomes.set(id, [...(outcomes.get(id) ?? []), bytesOf(record)])
    }
  }
  return outcomes
}

/** All of an outcome that must be the same when it comes again. */
function bytesOf({ key, value, timestampMs, headers }: LogRecord): string {
  const others = headers.filter(({ name }) => name !== 'tidemark-scored-at')
  const named = others.map((header) => [header.name, header.value.toString('base64')])
  return JSON.stringify([key?.toString('base64'), value?.toString('base64'), timestampMs, named])
}
