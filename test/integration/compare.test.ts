import { describe, expect, test } from 'vitest'
import { describeComparison, parseFields, plainComparison } from '../../src/cli/compare.ts'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { ComparedTopic } from '../../src/jobs/compare/compared-topic.ts'
import { Pairs } from '../../src/jobs/compare/pairs.ts'
import { freshTopics, type KafkaService, kafkaTest, plainOptions } from '../services/kafka.ts'
import { tidemark } from '../support/command-line.ts'

/** 100 pairs: of every fifth the other score is a quarter higher. */
function compared() {
  const pairs = new Pairs({ mostPending: 1_000, withByClock: false, threshold: 0.5 })
  for (let i = 0; i < 100; i++) {
    const score = i / 128
    const scored = { score, model: 'card@2+8b37121e', byClock: false }
    const higher = { score: score + (i % 5 === 0 ? 0.25 : 0), model: 'deep@1+00', byClock: false }
    pairs.add('main', { cause: String(i), scored })
    pairs.add('other', { cause: String(i), scored: higher })
  }
  pairs.end()
  const topics = {
    main: new ComparedTopic('predictions', 'p'),
    other: new ComparedTopic('shadow', 'p'),
  }
  return { topics, pairs }
}

describe('a comparison', () => {
  test('for people shows each pair of models with a histogram', () => {
    expect(describeComparison(compared())).toBe(`\
             records  alone  twice  without id  without score
predictions        0      0      0           0              0
shadow             0      0      0           0              0

100 pairs

deep@1+00 minus card@2+8b37121e, 100 pairs
  mean  +0.05, absolute 0.05
  p1 +0  p5 +0  p50 +0  p95 +0.249  p99 +0.249
  at 0.5: 6 up, 0 down, 6.00 %
  PSI 0.0379, by chance up to 0.558

  difference          pairs
  below −0.204            0
  −0.204 to −0.158        0
  −0.158 to −0.113        0
  −0.113 to −0.0679       0
  −0.0679 to −0.0226      0
  −0.0226 to +0.0226     80  ████████████████████████
  +0.0226 to +0.0679      0
  +0.0679 to +0.113       0
  +0.113 to +0.158        0
  +0.158 to +0.204        0
  +0.204 or more         20  ██████
`)
  })

  test('as JSON has the same figures in full', () => {
    expect(plainComparison(compared())).toMatchObject({
      main: { topic: 'predictions', alone: 0, twice: 0, withoutId: 0, withoutScore: 0 },
      pairs: 100,
      models: [
        {
          ...{ main: 'card@2+8b37121e', other: 'deep@1+00', pairs: 100 },
          ...{ meanDifference: 0.05, flips: { threshold: 0.5, up: 6, down: 0 } },
        },
      ],
    })
  })
})

test('a field may have another place in the other topic', () => {
  expect(parseFields('probability')).toEqual({ main: 'probability', other: 'probability' })
  expect(parseFields('p=score.p')).toEqual({ main: 'p', other: 'score.p' })
  for (const wrong of ['', '=p', 'p=', 'a=b=c']) expect(() => parseFields(wrong)).toThrow('a path')
})

/** 300 predictions and the shadow's scores of all but the first ten, five of them twice. */
async function written(kafka: KafkaService) {
  const records = new KafkaRecords(plainOptions(kafka))
  const { topics } = await freshTopics(records, ['predictions', 'shadow'], 2)
  const writer = records.writer()
  const recordOf = (topic: string, i: number, value: object) => ({
    ...{ topic, partition: i % 2, key: Buffer.from(`k${i}`), timestampMs: Date.now() },
    value: Buffer.from(JSON.stringify(value)),
    headers: [
      { name: 'tidemark-id', value: Buffer.from(`payments/0/${i}/${topic}`) },
      { name: 'tidemark-model', value: Buffer.from(topic === topics.shadow ? 'deep@1' : 'card@2') },
      ...(i === 20 ? [{ name: 'tidemark-by-clock', value: Buffer.from('true') }] : []),
    ],
  })
  const numbers = Array.from({ length: 300 }, (_, i) => i)
  const shadow = (i: number) =>
    recordOf(topics.shadow, i, { model: 'deep@1', score: { probability: i / 512 + 0.125 } })
  await writer.write([
    ...numbers.map((i) => recordOf(topics.predictions, i, { probability: i / 512 })),
    ...numbers.slice(10).map(shadow),
    ...numbers.slice(10, 15).map(shadow),
  ])
  await writer.close()
  await records.close()
  return topics
}

kafkaTest('compare pairs the outputs of two topics', async (kafka) => {
  const topics = await written(kafka)
  const args = ['compare', topics.predictions, topics.shadow, '--brokers', kafka.brokers.join(',')]
  const field = ['--field', 'probability=score.probability']
  const { code, stdout } = await tidemark([...args, ...field, '--json'])
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({
    main: { topic: topics.predictions, records: 300, alone: 10, twice: 0 },
    other: { topic: topics.shadow, records: 295, alone: 0, twice: 5 },
    ...{ pairs: 289, byClock: 1, givenUp: 0 },
    models: [{ main: 'card@2', other: 'deep@1', pairs: 289, meanDifference: 0.125, notFinite: 0 }],
  })

  const wrong = await tidemark([...args, '--field', 'probability'])
  expect(wrong.code).toBe(3)
  expect(wrong.stderr).toContain('numbers of the first record: score.probability')

  const few = await tidemark([...args, ...field, '--max', '7', '--by-clock'])
  expect(few.code).toBe(0)
  expect(few.stdout).toContain('\n7 pairs\n')
  expect(few.stderr).toContain('stopped early: ')
})
