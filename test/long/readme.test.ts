import { expect } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { blocksOf } from '../house/pages.ts'
import { plainOptions } from '../services/kafka.ts'
import { freshKafkaTest } from '../services/own-kafka.ts'
import { start, tidemark } from '../services/tidemark-in-test.ts'
import { createTopics } from '../services/topics.ts'

// The commands of the README's "On Kafka", word for word; its Docker is a broker of the test's own
// here.

const [block] = blocksOf('README.md').filter(({ text }) => text.includes('tidemark produce'))
const lines = (block?.text ?? '').split('\n').map((line) => line.replace(/\s+#.*$/, ''))
const commands = lines.flatMap((line) => {
  const [, rest] = /^npx tidemark (.+)$/.exec(line) ?? []
  return rest === undefined ? [] : [rest.split(' ')]
})
const [, topics = ''] = /for topic in (.+); do/.exec(block?.text ?? '') ?? []
const partitions = Number(/--partitions (\d+)/.exec(block?.text ?? '')?.[1])

freshKafkaTest(
  'the README’s commands carry the sample to predictions',
  async (kafka) => {
    const records = new KafkaRecords(plainOptions(kafka.service))
    const specs = topics.split(' ').map((name) => ({ name, partitions }))
    await createTopics(kafka.service, records, specs)
    await records.close()
    expect(commands.map(([name]) => name)).toEqual(['produce', 'run', 'consume', 'run'])
    const [produce = [], run = [], consume = [], second = []] = commands
    const env = { TIDEMARK_BROKERS: kafka.service.brokers.join(',') }
    expect(await tidemark(produce, { env })).toMatchObject({ code: 0 })
    const workers = [start(run, { env }), start(second, { env })]
    // So that there is something to read to the end.
    await tidemark(['consume', '--topic', 'predictions', '--max', '400'], { env })
    const { code, stdout } = await tidemark(consume, { env })
    expect(code).toBe(0)
    expect(stdout.trimEnd().split('\n').length).toBeGreaterThanOrEqual(400)
    for (const { process } of workers) process.kill('SIGTERM')
    expect((await Promise.all(workers.map(({ ended }) => ended))).map((e) => e.code)).toEqual([
      0, 0,
    ])
  },
  {},
)
