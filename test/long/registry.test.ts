import { readFileSync } from 'node:fs'
import avro, { type Schema } from 'avsc'
import protobuf from 'protobufjs'
import { expect, onTestFinished } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { NewRecord } from '../../src/connect/port.ts'
import type { Definition } from '../../src/topology/definition.ts'
import cardFraud from '../../topologies/card-fraud.ts'
import type { Payment } from '../../topologies/payment.ts'
import cardFraudRegistry from '../fixtures/topologies/card-fraud-registry.ts'
import { wireValue } from '../formats/registry/hand-registry.ts'
import { Watch } from '../runtime/support.ts'
import { until } from '../services/cluster.ts'
import { freshName, type KafkaService, plainOptions, readTopic } from '../services/kafka.ts'
import { type RegistryService, registryTests } from '../services/registry.ts'
import { start } from '../services/tidemark-in-test.ts'
import { headerOf } from '../support/headers.ts'
import { prepare, startWorker } from '../support/in-process.ts'

// The payments of the sample, with schemas in a real registry, through a real Kafka.

type Value = ReturnType<typeof Payment.parse>

const TWIN = 'test/fixtures/topologies/card-fraud-registry.ts'
const SAMPLE = new URL('../../topologies/samples/payments.tsv', import.meta.url)
const payments = readFileSync(SAMPLE, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line.slice(line.indexOf('\t') + 1)) as Value)

const TEXTS = ['paymentId', 'cardId', 'merchantId', 'category', 'country']
const AVRO: Schema = {
  type: 'record',
  name: 'Payment',
  fields: [
    ...TEXTS.map((name) => ({ name, type: 'string' }) as const),
    { name: 'amount', type: 'double' },
    { name: 'paidAt', type: 'long' },
  ],
}
/** The next version: fields in another order, one more, and one that may be missing. */
const AVRO_LATER: Schema = {
  type: 'record',
  name: 'Payment',
  fields: [
    { name: 'paidAt', type: 'long' },
    { name: 'amount', type: 'double' },
    { name: 'channel', type: ['null', 'string'], default: null },
    ...TEXTS.map((name) => ({ name, type: 'string' }) as const),
  ],
}
const PROTOBUF = `syntax = "proto3";
  message Refund { string id = 1; }
  message Payment {
    string payment_id = 1; string card_id = 2; string merchant_id = 3; string category = 4;
    string country = 5; double amount = 6; int64 paid_at = 7;
  }`
const JSON_SCHEMA = JSON.stringify({
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Payment',
  type: 'object',
})

const inAvro = (schema: Schema) => {
  const type = avro.Type.forSchema(schema)
  return (payment: Value) => type.toBuffer({ channel: 'web', ...payment })
}
const message = protobuf.parse(PROTOBUF).root.lookupType('Payment')
const inProtobuf = (payment: Value) => {
  const bytes = message.encode(message.fromObject(payment)).finish()
  return Buffer.concat([Buffer.of(2, 2), bytes])
}
const inJson = (payment: Value) => Buffer.from(JSON.stringify(payment))

/** Topics of its own, and a worker on them. */
async function scoring(definition: Definition, kafka: KafkaService, registry: RegistryService) {
  const records = new KafkaRecords(plainOptions(kafka))
  const names = ['payments', 'predictions', 'payments.dlq']
  const topics = new Map(names.map((name) => [name, freshName(name)]))
  // The payments are old: a broker would delete them at once.
  const config = { 'retention.ms': '-1' }
  await records.create([...topics.values()].map((name) => ({ name, partitions: 3, config })))
  const choices = { topics: Object.fromEntries(topics), registry: { url: registry.url } }
  const prepared = await prepare([definition], choices)
  const watch = new Watch()
  const group = freshName('registry')
  const worker = startWorker({ prepared, records, group, observer: watch.observer })
  onTestFinished(async () => {
    await worker.stop()
    await prepared.close()
    await records.close()
  })
  const writer = records.writer()
  onTestFinished(() => writer.close())
  const topicOf = (name: string) => topics.get(name) as string
  return {
    watch,
    topic: topicOf('payments'),
    send: (values: readonly Buffer[], from = 0) =>
      writer.write(values.map((value, i) => inOrder(topicOf('payments'), value, from + i))),
    /** Resolves once all payments are accounted for. */
    done: () => Promise.race([watch.until(() => outcomes(watch) >= payments.length), worker.done]),
    stop: () => worker.stop(),
    /** Sorted: their partitions are not those of the payments. */
    predictions: async () =>
      (await readTopic(records, topicOf('predictions')))
        .map(({ value }) => String(value))
        .toSorted(),
    deadLetters: () => readTopic(records, topicOf('payments.dlq')),
  }
}

/** Topics of its own, and the command line of a worker on them. */
async function commandOn(kafka: KafkaService) {
  const records = new KafkaRecords(plainOptions(kafka))
  onTestFinished(() => records.close())
  const writer = records.writer()
  onTestFinished(() => writer.close())
  const names = ['payments', 'predictions', 'payments.dlq']
  const topics = new Map(names.map((name) => [name, freshName(name)]))
  const config = { 'retention.ms': '-1' }
  await records.create([...topics.values()].map((name) => ({ name, partitions: 3, config })))
  const [topic = '', predictions = '', dlq = ''] = topics.values()
  const group = freshName('registry')
  const flags = [...topics].flatMap((of) => ['--topic', of.join('=')])
  const isCommitted = async () =>
    (await records.offsets(group, topic)).every(
      ({ committed, endOffset }) => committed?.nextOffset === endOffset,
    )
  return {
    topic,
    run: (registry: RegistryService) => {
      const args = ['run', TWIN, '--brokers', kafka.brokers.join(','), '--group', group, ...flags]
      return start([...args, '--registry', registry.url])
    },
    send: (values: readonly Buffer[], from = 0) =>
      writer.write(values.map((value, i) => inOrder(topic, value, from + i))),
    allCommitted: () => until('committed', isCommitted),
    predictions: async () =>
      (await readTopic(records, predictions)).map(({ value }) => String(value)).toSorted(),
    codes: async () =>
      (await readTopic(records, dlq)).map((letter) => headerOf(letter, 'tidemark.code')),
  }
}

/** A value as the record of a payment of the sample. */
function inOrder(topic: string, value: Buffer, index: number): NewRecord {
  const { cardId, paidAt: timestampMs } = payments[index] as Value
  const partition = Number(cardId.slice(2)) % 3
  return { topic, partition, key: Buffer.from(cardId), value, timestampMs, headers: [] }
}

function outcomes(watch: Watch): number {
  return watch
    .of('committed')
    .flatMap(({ outputs }) => outputs)
    .reduce((sum, { records }) => sum + records, 0)
}

registryTests((registryTest) => {
  registryTest(
    'payments in Avro, Protobuf, JSON Schema and JSON give the same predictions, bit for bit',
    async (registry, kafka) => {
      const of = async (definition: Definition, values: (topic: string) => Promise<Buffer[]>) => {
        const run = await scoring(definition, kafka, registry)
        await run.send(await values(run.topic))
        await run.done()
        await run.stop()
        return {
          predictions: await run.predictions(),
          deadLetters: (await run.deadLetters()).length,
        }
      }
      const written =
        (
          schema: { schema: string; schemaType?: 'PROTOBUF' | 'JSON' },
          encode: (of: Value) => Buffer,
        ) =>
        async (topic: string) => {
          const id = await registry.register(`${topic}-value`, schema)
          return payments.map((payment) => wireValue(id, encode(payment)))
        }
      const plain = await of(cardFraud, async () => payments.map(inJson))
      expect(plain.predictions.length + plain.deadLetters).toBe(payments.length)
      const avroValues = written({ schema: JSON.stringify(AVRO) }, inAvro(AVRO))
      expect(await of(cardFraudRegistry, avroValues)).toEqual(plain)
      const protobufSchema = { schemaType: 'PROTOBUF', schema: PROTOBUF } as const
      expect(await of(cardFraudRegistry, written(protobufSchema, inProtobuf))).toEqual(plain)
      const jsonSchema = { schemaType: 'JSON', schema: JSON_SCHEMA } as const
      expect(await of(cardFraudRegistry, written(jsonSchema, inJson))).toEqual(plain)
    },
  )

  registryTest(
    'a registry that is killed while a new schema arrives loses, repeats and sets aside nothing',
    async (registry, kafka) => {
      const run = await scoring(cardFraudRegistry, kafka, registry)
      const half = payments.length / 2
      const subject = `${run.topic}-value`
      const before = await registry.register(subject, { schema: JSON.stringify(AVRO) })
      const later = await registry.register(subject, { schema: JSON.stringify(AVRO_LATER) })
      await run.send(payments.slice(0, half).map((of) => wireValue(before, inAvro(AVRO)(of))))
      await run.watch.until((watch) => outcomes(watch) >= half)
      await registry.kill()
      const rest = payments.slice(half)
      await run.send(
        rest.map((of) => wireValue(later, inAvro(AVRO_LATER)(of))),
        half,
      )
      await run.watch.until((watch) => watch.troubles('schema').length > 0)
      await run.watch.until((watch) => watch.of('state').at(-1)?.state === 'unavailable')
      expect(run.watch.of('state').at(-1)?.reason).toContain('waits: the schema registry: connect')
      expect(outcomes(run.watch)).toBe(half)
      await registry.restart()
      await run.done()
      expect(run.watch.of('state').at(-1)?.state).toBe('running')
      await run.stop()
      const ids = (await run.predictions()).map((value) => (JSON.parse(value) as Value).paymentId)
      const dead = await run.deadLetters()
      expect(new Set(ids).size).toBe(ids.length)
      expect(ids.length + dead.length).toBe(payments.length)
      const late = run.watch.of('dead-letter').map(({ code }) => code)
      expect(late.filter((code) => code !== 'LATE')).toEqual([])
    },
  )

  registryTest(
    'an id that the registry does not have is set aside after 10 s, and after kill -9 a replay knows of it',
    async (registry, kafka) => {
      const plain = await scoring(cardFraud, kafka, registry)
      await plain.send(payments.map(inJson))
      await plain.done()
      await plain.stop()
      const expected = await plain.predictions()

      const run = await commandOn(kafka)
      const id = await registry.register(`${run.topic}-value`, { schema: JSON.stringify(AVRO) })
      const values = payments.map((payment) => wireValue(id, inAvro(AVRO)(payment)))
      const half = payments.length / 2
      await run.send(values.slice(0, half))
      await run.send(Array<Buffer>(3).fill(wireValue(999_999, Buffer.of(1))), half)
      await run.send(values.slice(half, -100), half)
      const first = run.run(registry)
      await run.allCommitted()
      expect(first.stderr()).toContain('waits: the schema registry has no schema')
      first.process.kill('SIGKILL')
      await first.ended
      await run.send(values.slice(-100), payments.length - 100)
      const second = run.run(registry)
      await run.allCommitted()
      second.process.kill('SIGTERM')
      expect(await second.ended).toMatchObject({ code: 0 })
      // The id that was given up is not asked for again.
      expect(second.stderr()).not.toContain('waits: the schema registry has no schema')
      expect(await run.predictions()).toEqual(expected)
      const unknown = (await run.codes()).filter((code) => code === 'SCHEMA_UNKNOWN')
      expect(unknown).toHaveLength(3)
    },
  )
})
