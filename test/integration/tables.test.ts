import { runWorker } from 'tidemark'
import { expect } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { NewRecord } from '../../src/connect/port.ts'
import { ConditionVariable } from '../../src/kernel/condition-variable.ts'
import type { RuntimeEvent } from '../../src/runtime/events.ts'
import scores, { paid } from '../runtime/tables/merchants.ts'
import { plainOptions, readTopic } from '../services/kafka.ts'
import { ownKafkaTest } from '../services/own-kafka.ts'

ownKafkaTest(
  'a table follows its topic: updates, tombstones, and on after the broker was gone',
  async (kafka) => {
    const records = new KafkaRecords(plainOptions(kafka.service))
    const writer = records.writer()
    await records.create([
      { name: 'merchants', partitions: 3 },
      ...['payments', 'payments.dlq', 'scores'].map((name) => ({ name, partitions: 1 })),
    ])
    const record = (topic: string, key: string, value: object | null): NewRecord => ({
      ...{ topic, partition: null, key: Buffer.from(key), headers: [], timestampMs: Date.now() },
      value: value === null ? null : Buffer.from(JSON.stringify(value)),
    })
    const changed = new ConditionVariable()
    const events: RuntimeEvent[] = []
    const told = <T extends RuntimeEvent['type']>(type: T) =>
      events.filter((event): event is Extract<RuntimeEvent, { type: T }> => event.type === type)
    let written = 0
    /** Writes records of the table, and waits until the worker has applied all so far. */
    const update = async (risks: Readonly<Record<string, number | null>>) => {
      const rows = Object.entries(risks).map(([key, risk]) =>
        record('merchants', key, risk === null ? null : { risk }),
      )
      await writer.write(rows)
      written += rows.length
      const applied = () => told('table-read').reduce((sum, event) => sum + event.records, 0)
      await changed.until(() => applied() === written)
    }
    const committed = () =>
      told('committed').reduce((sum, { outputs }) => sum + (outputs[0]?.records ?? 0), 0)
    let sent = 0
    /** The risks that payments to these merchants are scored with. */
    const risksOf = async (...merchants: string[]) => {
      await writer.write(merchants.map((merchant) => record('payments', 'c-1', paid(merchant))))
      sent += merchants.length
      await changed.until(() => committed() === sent)
      const outputs = await readTopic(records, 'scores')
      return outputs
        .slice(-merchants.length)
        .map(({ value, headers }) => [
          (JSON.parse(String(value)) as { risk: number }).risk,
          String(headers.find(({ name }) => name === 'tidemark-tables')?.value),
        ])
    }

    const rows = Array.from({ length: 2_000 }, (_, i) => record('merchants', `m-${i}`, { risk: i }))
    await writer.write(rows)
    written = rows.length
    const worker = await runWorker(scores, {
      brokers: kafka.service.brokers,
      observer: (event) => {
        events.push(event)
        changed.notifyAll()
      },
    })
    try {
      const [[first, at] = [], [last] = []] = await risksOf('m-0', 'm-1999')
      expect([first, last]).toEqual([0, 1_999])
      const offsets = (header: unknown) =>
        /^merchants=([\d,]+)$/.exec(String(header))?.[1]?.split(',')
      expect(
        offsets(at)
          ?.map(Number)
          .reduce((a, b) => a + b),
      ).toBe(2_000)

      await update({ 'm-0': 0.5, 'm-1': null, 'm-2': 0.25 })
      const seen = (await risksOf('m-0', 'm-2')).map(([risk]) => risk)
      expect(seen).toEqual([0.5, 0.25])
      expect(told('table-read').at(-1)).toMatchObject({ rows: 1_999, lag: 0 })

      kafka.node(1).halt()
      await changed.until(() => told('trouble').length > 0)
      await kafka.node(1).restart()
      await update({ 'm-3': null, 'm-4': 0.75 })
      expect((await risksOf('m-0', 'm-4')).map(([risk]) => risk)).toEqual([0.5, 0.75])
      // A broker that has just started may hold up other partitions once more.
      await changed.until(() => told('trouble').at(-1)?.reason === null)
      await changed.until(() => told('table-read').at(-1)?.lag === 0)
      expect(told('table-read').at(-1)?.rows).toBe(1_998)
    } finally {
      await worker.stop()
      await writer.close()
      await records.close()
    }
  },
)
