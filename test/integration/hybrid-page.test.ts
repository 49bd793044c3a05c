import { expect } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { blocksOf } from '../house/pages.ts'
import { freshName, freshTopics, kafkaTest, plainOptions } from '../services/kafka.ts'
import { httpOf, start, tidemark } from '../services/tidemark-in-test.ts'
import { folderWith } from '../support/folder.ts'

const commands = blocksOf('docs/hybrid.md')
  .filter(({ language }) => language === 'sh')
  .flatMap(({ text }) => text.trim().split('\n'))
  .filter((line) => line.startsWith('npx tidemark '))

kafkaTest(
  'once around on Kafka: the batch writes, produce fills the topic, the stream reuses',
  async (kafka) => {
    const records = new KafkaRecords(plainOptions(kafka))
    const names = ['payments', 'predictions', 'payments.dlq', 'nightly'] as const
    const { topics, flags } = await freshTopics(records, [...names], 1)
    await records.close()
    const folder = folderWith({})
    const brokers = ['--brokers', kafka.brokers.join(',')]
    let consumed = ''
    let http = ''
    for (const command of commands) {
      const args = command.split(' ').slice(2)
      const [name] = args
      const topic = args.indexOf('--topic') + 1
      if (topic > 0) args[topic] = topics[args[topic] as keyof typeof topics]
      const own = args.map((arg) => arg.replace(/^nightly(?=$|\/)/, `${folder}/nightly`))
      if (name === 'run') {
        const group = ['--group', freshName('group'), '--http-port', '0']
        http = await httpOf(start([...own, ...brokers, ...flags, ...group]))
        continue
      }
      const { code, stdout, stderr } = await tidemark(name === 'batch' ? own : [...own, ...brokers])
      expect({ command, code, stderr }).toMatchObject({ command, code: 0 })
      consumed = stdout
    }
    const routes = consumed
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { paymentId: string; route: string })
      .map(({ paymentId, route }) => `${paymentId[0]} ${route}`)
    const count = (of: string) => routes.filter((route) => route === of).length
    expect(['n reuse', 'n live', 'd reuse', 'd live'].map(count)).toEqual([40, 70, 80, 305])
    const metrics = await (await fetch(`${http}/metrics`)).text()
    const told = metrics.split('\n').filter((line) => line.startsWith('tidemark_scores_total'))
    const [live, reused] = ['live', 'reuse'].map((route) =>
      told.find((line) => line.includes(`route="${route}",outcome="scored"`)),
    )
    expect(live).toMatch(/model="card-mlp",version="1",.* 375$/)
    expect(reused).toMatch(/model="nightly",version="",.* 120$/)
  },
)
