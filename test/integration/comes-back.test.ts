import { hostname } from 'node:os'
import { expect, onTestFinished } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { fitHost } from '../../src/host/worker-name.ts'
import { wallClock } from '../../src/kernel/clock.ts'
import type { Log } from '../../src/observe/log.ts'
import cardFraud from '../../topologies/card-fraud.ts'
import { observedLog } from '../observe/observed.ts'
import { until } from '../services/cluster.ts'
import {
  freshName,
  freshTopics,
  kafkaTest,
  LONG_SESSION_MS,
  plainOptions,
} from '../services/kafka.ts'
import type { Running } from '../services/tidemark.ts'
import { prepare, startWorker } from '../support/in-process.ts'
import { CardFraud, PARTITIONS, payments } from './card-fraud.ts'
import { LiveOutputs } from './live-outputs.ts'

// Workers that were given no name: they come back at once after kill -9, and leave each other
// alone.

const SEED = 5
const HOST = fitHost(hostname())

/** The name under which a worker says that it starts. */
async function nameOf(worker: Running): Promise<string | undefined> {
  await worker.says('worker starts')
  return /"workerName":"([^"]+)"/.exec(worker.stderr())?.[1]
}

kafkaTest(
  'two workers on one host share the partitions, and one that is killed with -9 is back before its session has passed',
  async (kafka) => {
    const cards = await CardFraud.on(kafka)
    const run = () => cards.run('--session-timeout', String(LONG_SESSION_MS / 1_000))
    try {
      const stream = payments(10_000, SEED)
      const send = () => cards.send(Array.from({ length: 300 }, () => stream.next().value))
      const live = await LiveOutputs.of(cards)
      const served = async () => {
        const before = live.arrivals.length
        await send()
        await live.until(({ arrivals }) => {
          const answered = new Set(arrivals.slice(before).map(({ partition }) => partition))
          return answered.size === PARTITIONS
        })
      }
      const first = run()
      await first.says('worker is running')
      await served()
      const second = run()
      await second.says('"msg":"assigned ')
      await served()
      expect([await nameOf(first), await nameOf(second)]).toEqual([`${HOST}-1`, `${HOST}-2`])

      first.process.kill('SIGKILL')
      await first.ended
      const third = run()
      expect(await nameOf(third)).toBe(`${HOST}-1`)
      await served()

      for (const worker of [second, third]) {
        expect(worker.stderr()).not.toContain('the group went on without this worker')
        worker.process.kill('SIGTERM')
      }
      expect(await second.ended).toMatchObject({ code: 0 })
      expect(await third.ended).toMatchObject({ code: 0 })
      const answered = await cards.answered()
      expect(answered.size).toBe(cards.sent.length)
      expect([...answered.values()].every((times) => times === 1)).toBe(true)
    } finally {
      await cards.close()
    }
  },
)

/**
 * Workers like two containers of one host name behind one NAT: each has the first slot, and brokers
 * see one address.
 */
kafkaTest(
  'a worker that is put out by another of its name says so once, and both go on',
  async (kafka) => {
    const admin = new KafkaRecords(plainOptions(kafka))
    onTestFinished(() => admin.close())
    const { topics } = await freshTopics(admin, ['payments', 'predictions', 'payments.dlq'], 2)
    const prepared = await prepare([cardFraud], { topics, latencyBudget: 'none' })
    onTestFinished(() => prepared.close())
    const group = freshName('group')
    const start = () => {
      const lines: string[] = []
      const say = (fields: object, message: string) =>
        lines.push(`${message} ${JSON.stringify(fields)}`)
      const log: Log = { debug() {}, info: say, warn: say, error: say }
      const records = new KafkaRecords({ ...plainOptions(kafka), defaultName: 'host-1' })
      const observer = observedLog(log, { clock: wallClock })
      const worker = startWorker({ prepared, records, group, observer })
      onTestFinished(async () => {
        await worker.stop()
        await records.close()
      })
      const count = (text: string) => lines.filter((line) => line.includes(text)).length
      return { lines, count, running: () => count('worker is running') }
    }
    const first = start()
    await until('running', async () => first.running() === 1)
    const second = start()
    const areBack = async () => first.running() === 2 && second.count('handed over ') === 1
    await until('sharing', areBack)
    expect(first.count('another worker of the group has the name \\"host-1\\"')).toBe(1)
    expect(first.count('the group went on without this worker')).toBe(1)
    expect(second.count('worker is unavailable')).toBe(0)
    expect(second.count('the group went on without this worker')).toBe(0)
  },
)
