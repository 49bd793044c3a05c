import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { blocksOf } from '../house/pages.ts'
import { freshName, freshTopics, kafkaTest, plainOptions } from '../services/kafka.ts'
import { httpOf, start } from '../services/tidemark-in-test.ts'
import { untilState } from './until-state.ts'

const blocks = blocksOf('docs/predict.md')
const [run = '', ...requests] = blocks
  .filter(({ language }) => language === 'sh')
  .map((of) => of.text)
const shown = blocks
  .filter(({ language }) => language === '')
  .map((of) => JSON.parse(of.text) as object)

kafkaTest('a worker answers the requests of the page as shown', async (kafka) => {
  const records = new KafkaRecords(plainOptions(kafka))
  const { topics } = await freshTopics(records, ['payments', 'predictions', 'payments.dlq'], 3)
  await records.close()
  const renamed = Object.entries(topics).flatMap(([from, to]) => ['--topic', `${from}=${to}`])
  const worker = start([
    ...run.trim().split(' ').slice(2, -1),
    ...['0', '--http-port', '0', '--brokers', kafka.brokers.join(), '--group', freshName('group')],
    ...renamed,
  ])
  await untilState(await httpOf(worker), 'running')
  const url = /requests\s+(http:\S+)/.exec(worker.stderr())?.[1] ?? ''
  const [predict = '', state = ''] = requests.map((request) => {
    return request.replace('http://127.0.0.1:8080', url).replace('curl', 'curl -sS')
  })
  const answerOf = async (command: string) =>
    JSON.parse((await promisify(execFile)('sh', ['-c', command])).stdout) as Record<string, unknown>
  const answer = await answerOf(predict)
  expect(answer).toMatchObject({ features: { count5m: 1, sum5m: 120.5 }, warming: false })
  expect(Object.keys(answer)).toEqual(Object.keys(shown[0] ?? {}))
  // It entered nothing.
  expect(await answerOf(state)).toMatchObject({ where: 'key' })
  worker.process.kill('SIGTERM')
  expect(await worker.ended).toMatchObject({ code: 0 })
})
