import avro, { type Schema } from 'avsc'
import { defineTopology, registry as inRegistry, rule, seconds, topic } from 'tidemark'
import { expect, onTestFinished } from 'vitest'
import { z } from 'zod'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { wireValue } from '../formats/registry/hand-registry.ts'
import { Watch } from '../runtime/support.ts'
import { until } from '../services/cluster.ts'
import { freshName, plainOptions, readTopic } from '../services/kafka.ts'
import { registryTests } from '../services/registry.ts'
import { prepare, startWorker } from '../support/in-process.ts'

/** Longer than the registry is asked for an id that an event has. */
const LATE_MS = 12_000
const NAMES = ['merchants', 'payments', 'payments.dlq', 'risks'] as const
const MERCHANT: Schema & object = {
  type: 'record',
  name: 'Merchant',
  fields: [{ name: 'risk', type: 'double' }],
}
const asIs = rule({ outputs: ['risk'] }, ({ risk }: { risk: number }) => ({ risk }))

const paymentRisk = defineTopology('payment-risk', (t) => {
  const Merchant = inRegistry(z.object({ risk: z.number() }))
  const merchants = t.table('merchants', { schema: Merchant, from: topic('merchants') })
  return t
    .source('payments', {
      schema: z.object({ merchant: z.string(), at: z.number() }),
      key: (p) => p.merchant,
      eventTimeMs: (p) => p.at,
      watermark: { lag: seconds(1) },
      onLate: 'score',
    })
    .features((f) => {
      const merchant = f.events({}).lookup(merchants, (p) => p.merchant)
      return { risk: merchant.value((m) => m.risk) }
    })
    .score({ models: { asIs }, otherwise: 'asIs' }, { missing: 'nan' })
    .map(({ score }) => score)
    .sink('risks')
})

registryTests((registryTest) => {
  registryTest(
    'a row whose schema is registered 12 s after it takes the place of the old one, which stays until then',
    async (registry, kafka) => {
      const records = new KafkaRecords(plainOptions(kafka))
      const topics = new Map(NAMES.map((name) => [name, freshName(name)] as const))
      await records.create([...topics.values()].map((name) => ({ name, partitions: 1 })))
      const choices = { topics: Object.fromEntries(topics), registry: { url: registry.url } }
      const prepared = await prepare([paymentRisk], choices)
      const watch = new Watch()
      const writer = records.writer()
      const send = (name: (typeof NAMES)[number], value: Buffer) => {
        const at = { topic: topics.get(name) as string, partition: 0, key: Buffer.from('m') }
        return writer.write([{ ...at, value, timestampMs: Date.now(), headers: [] }])
      }
      const merchant = avro.Type.forSchema(MERCHANT)
      const sendRow = (id: number, risk: number) =>
        send('merchants', wireValue(id, merchant.toBuffer({ risk })))
      const register = (schema: Schema) =>
        registry.register(topics.get('merchants') as string, { schema: JSON.stringify(schema) })

      const id = await register(MERCHANT)
      await sendRow(id, 1)
      const group = freshName('tables')
      const worker = startWorker({ prepared, records, group, observer: watch.observer })
      onTestFinished(async () => {
        await worker.stop()
        await prepared.close()
        await writer.close()
        await records.close()
      })
      let payments = 0
      const riskNow = async () => {
        await send('payments', Buffer.from(JSON.stringify({ merchant: 'm', at: Date.now() })))
        payments++
        const read = async () => readTopic(records, topics.get('risks') as string)
        await until('scored', async () => (await read()).length === payments)
        return (JSON.parse(String((await read()).at(-1)?.value)) as { risk: number }).risk
      }
      expect(await riskNow()).toBe(1)

      // The registry counts its ids up.
      await sendRow(id + 1, 2)
      const heldUp = () => watch.troubles('table')
      await until('held up', async () => heldUp().length > 0)
      const sinceMs = Date.now()
      const isLate = async () => {
        expect(await riskNow()).toBe(1)
        return Date.now() - sinceMs > LATE_MS
      }
      await until('late', isLate)
      expect(await register({ ...MERCHANT, name: 'Later' })).toBe(id + 1)
      await until('updated', async () => heldUp().at(-1)?.reason === null)
      await until('seen', async () => (await riskNow()) === 2)
      expect(watch.of('table-row-invalid')).toEqual([])
    },
  )
})
