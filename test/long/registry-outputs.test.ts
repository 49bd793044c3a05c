import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { avro, defineTopology, protobuf, type RegisteredFormat, seconds } from 'tidemark'
import { expect, onTestFinished } from 'vitest'
import { z } from 'zod'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { PREFIX_BYTES, schemaIdOf } from '../../src/formats/payload.ts'
import { openDecoder } from '../../src/formats/registry/schemas.ts'
import { ConfluentRegistry } from '../../src/registry/confluent-registry.ts'
import { Watch } from '../runtime/support.ts'
import { freshName, type KafkaService, plainOptions, readTopic } from '../services/kafka.ts'
import { type RegistryService, registryTests } from '../services/registry.ts'
import { tidemark } from '../services/tidemark-in-test.ts'
import { prepare, startWorker } from '../support/in-process.ts'

// Outputs with schemas in a real registry, through a real Kafka.

const COPY = {
  type: 'record',
  name: 'Copy',
  namespace: 'test',
  fields: [
    { name: 'key', type: 'string' },
    { name: 'at', type: 'long' },
    { name: 'note', type: ['null', 'string'], default: null },
  ],
}
const PROTOBUF = `syntax = "proto3";
  package test;
  message Other { string id = 1; }
  message Copy { string key = 1; int64 at = 2; optional string note = 3; }`
const START_MS = Date.UTC(2026, 0, 1)
const EVENTS = Array.from({ length: 20 }, (_, i) => ({ key: `k${i % 3}`, at: START_MS + i }))

const Event = z.object({ key: z.string(), at: z.int() })

/** Copies a topic to two others. */
function copies(formats: { readonly a: RegisteredFormat; readonly b: RegisteredFormat }) {
  return defineTopology('copies', (t) => {
    const events = t.source('events', {
      schema: Event,
      key: (e) => e.key,
      eventTimeMs: (e) => e.at,
      watermark: { lag: seconds(60) },
      onLate: 'dead-letter',
    })
    return [
      events.map(({ key, at }) => ({ key, at })).sink('a', { format: formats.a }),
      events.map(({ key, at }) => ({ key, at, note: 'n' })).sink('b', { format: formats.b }),
    ]
  })
}

type Formats = Parameters<typeof copies>[0]

/** Topics of its own, and workers on them. */
async function running(kafka: KafkaService, { url }: RegistryService) {
  const records = new KafkaRecords(plainOptions(kafka))
  onTestFinished(() => records.close())
  const names = ['events', 'a', 'b', 'events.dlq'] as const
  const topics = new Map(names.map((name) => [name, freshName(name)] as const))
  const topicOf = (name: (typeof names)[number]) => topics.get(name) as string
  await records.create([...topics.values()].map((name) => ({ name, partitions: 1 })))
  return {
    records,
    topicOf,
    start: async (formats: Formats) => {
      const prepared = await prepare([copies(formats)], {
        topics: Object.fromEntries(topics),
        registry: { url },
      })
      const watch = new Watch()
      const group = freshName('registry')
      const worker = startWorker({ prepared, records, group, observer: watch.observer })
      onTestFinished(async () => {
        await worker.stop().catch(() => undefined)
        await prepared.close()
      })
      return { worker, watch }
    },
  }
}

/** The values of a topic, each with the schema that it names. */
async function valuesIn(records: KafkaRecords, topic: string, { url }: RegistryService) {
  const registry = new ConfluentRegistry({ url })
  const values = (await readTopic(records, topic)).map((record) => record.value as Buffer)
  const schema = await registry.schema(schemaIdOf(values[0] as Buffer, 0, PREFIX_BYTES) ?? 0)
  if (schema === null) throw new Error('the registry has no such schema')
  const { decode } = openDecoder(schema, null)
  return values.map((value) => {
    const { value: decoded, type } = decode(value.subarray(PREFIX_BYTES))
    return { ...(decoded as object), type }
  })
}

registryTests((registryTest) => {
  registryTest(
    'outputs in Avro and Protobuf, registered at start, are read back as they were made',
    async (registry, kafka) => {
      const { records, topicOf, start } = await running(kafka, registry)
      const { watch, worker } = await start({
        a: avro(COPY, { register: true }),
        b: protobuf(PROTOBUF, { message: 'Copy', register: true, subject: 'record' }),
      })
      const writer = records.writer()
      onTestFinished(() => writer.close())
      const topic = topicOf('events')
      await writer.write(
        EVENTS.map((event) => {
          const [key, value] = [Buffer.from(event.key), Buffer.from(JSON.stringify(event))]
          return { topic, partition: 0, key, value, timestampMs: Date.now(), headers: [] }
        }),
      )
      const written = (w: Watch) =>
        w
          .of('committed')
          .flatMap(({ outputs }) => outputs)
          .reduce((sum, output) => sum + output.records, 0)
      await Promise.race([watch.until((w) => written(w) >= 2 * EVENTS.length), worker.done])
      await worker.stop()
      expect(await valuesIn(records, topicOf('a'), registry)).toEqual(
        EVENTS.map((event) => ({ ...event, note: null, type: 'test.Copy' })),
      )
      expect(await valuesIn(records, topicOf('b'), registry)).toEqual(
        EVENTS.map((event) => ({ ...event, note: 'n', type: 'test.Copy' })),
      )
      const subjects = new ConfluentRegistry({ url: registry.url })
      expect((await subjects.latest('test.Copy'))?.type).toBe('protobuf')
      expect((await subjects.latest(`${topicOf('a')}-value`))?.type).toBe('avro')
    },
  )

  registryTest(
    'schemas that are not registered are refused, and found once they are, in any layout',
    async (registry, kafka) => {
      const { topicOf, start } = await running(kafka, registry)
      const formats = { a: avro(COPY), b: protobuf(PROTOBUF, { message: 'Copy' }) }
      const refused = await start(formats)
      await expect(refused.worker.done).rejects.toMatchObject({
        faults: [
          { code: 'SCHEMA_NOT_REGISTERED', where: 'copies/a' },
          { code: 'SCHEMA_NOT_REGISTERED', where: 'copies/b' },
        ],
      })
      await registry.register(`${topicOf('a')}-value`, { schema: JSON.stringify(COPY, null, 2) })
      const schemaType = 'PROTOBUF'
      await registry.register(`${topicOf('b')}-value`, { schema: PROTOBUF, schemaType })
      const { watch, worker } = await start(formats)
      await Promise.race([watch.until((w) => w.states.includes('running')), worker.done])
    },
  )

  registryTest(
    "an incompatible schema is not registered, and refused with the registry's words",
    async (registry, kafka) => {
      const { topicOf, start } = await running(kafka, registry)
      const subject = `${topicOf('a')}-value`
      const first = { ...COPY, fields: [{ name: 'key', type: 'int' }] }
      await registry.register(subject, { schema: JSON.stringify(first) })
      await fetch(`${registry.url}/config/${subject}`, {
        method: 'PUT',
        headers: { 'Content-Type': 'application/vnd.schemaregistry.v1+json' },
        body: '{"compatibility":"BACKWARD"}',
      })
      const format = avro(COPY, { register: true })
      const { worker } = await start({ a: format, b: avro(COPY, { register: true }) })
      await expect(worker.done).rejects.toMatchObject({
        faults: [
          {
            code: 'SCHEMA_REJECTED',
            where: 'copies/a',
            message: expect.stringMatching(
              /reader type: STRING not compatible with writer type: INT/,
            ),
          },
        ],
      })
      const latest = await new ConfluentRegistry({ url: registry.url }).latest(subject)
      expect(JSON.parse(latest?.text ?? '')).toEqual(first)
    },
  )

  registryTest(
    'produce writes lines with the latest schema of the subject, consume shows them as they were',
    async (registry, kafka) => {
      const records = new KafkaRecords(plainOptions(kafka))
      onTestFinished(() => records.close())
      const topic = freshName('lines')
      await records.create([{ name: topic, partitions: 1 }])
      await registry.register(`${topic}-value`, { schema: JSON.stringify(COPY) })
      const at = ['--topic', topic, '--brokers', kafka.brokers.join(), '--registry', registry.url]
      const lines = EVENTS.map((event) => JSON.stringify({ ...event, note: null }))
      const dir = mkdtempSync(join(tmpdir(), 'tidemark-lines-'))
      onTestFinished(() => rmSync(dir, { recursive: true }))
      const file = (name: string, all: readonly string[]) => {
        writeFileSync(join(dir, name), all.map((line) => `${line}\n`).join(''))
        return join(dir, name)
      }
      const good = file('good.ndjson', lines)
      expect(await tidemark(['produce', good, ...at, '--key', 'key'])).toMatchObject({ code: 0 })
      const bad = file('bad.ndjson', [lines[0] as string, '{"key":"k","at":0.5}'])
      const refused = await tidemark(['produce', bad, ...at, '--key', 'key'])
      expect(refused.code).toBe(3)
      expect(refused.stderr).toContain('field at must be a whole number')
      expect(refused.stderr).toContain(`${bad}:2`)
      const shown = await tidemark(['consume', ...at, '--exit'])
      expect(shown.stdout.trimEnd().split('\n')).toEqual(lines)
    },
  )
})
