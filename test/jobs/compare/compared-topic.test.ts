import { describe, expect, test } from 'vitest'
import type { LogRecord } from '../../../src/connect/port.ts'
import { ComparedTopic } from '../../../src/jobs/compare/compared-topic.ts'

const ID = 'payments/0/7/predictions'

function record(value: unknown, headers: Readonly<Record<string, string>> = {}): LogRecord {
  const all = { 'tidemark-id': ID, ...headers }
  return {
    ...{ offset: 0, timestampMs: 0, key: null, value: Buffer.from(JSON.stringify(value)) },
    headers: Object.entries(all).map(([name, text]) => ({ name, value: Buffer.from(text) })),
  }
}

const read = (records: readonly LogRecord[], field = 'probability') => {
  const topic = new ComparedTopic('predictions', field)
  return { topic, scores: [...topic.scoresOf(records)] }
}

describe('a topic that is compared', () => {
  test('has scores at a path of its values, and by their headers what decided them', () => {
    const headers = { 'tidemark-model': 'card@2+8b37121e', 'tidemark-by-clock': 'true' }
    const { scores } = read([record({ score: { p: 0.5 } }, headers)], 'score.p')
    const scored = { score: 0.5, model: 'card@2+8b37121e', byClock: true }
    expect(scores).toEqual([{ cause: 'payments/0/7', scored }])
  })

  test('may be of a Tidemark that did not name models', () => {
    const [score] = read([record({ probability: 0.5 })]).scores
    expect(score?.scored).toEqual({ score: 0.5, model: '?', byClock: false })
  })

  test('counts the records that cannot be compared, and goes on', () => {
    const { topic, scores } = read([
      record({ probability: 0.5 }, { 'tidemark-id': '' }),
      record({ probability: '0.5' }),
      record({ probability: null }),
      { ...record({}), value: Buffer.from('{') },
      { ...record({}), value: null },
      record({ probability: 0.25 }),
    ])
    expect(scores).toHaveLength(1)
    expect(topic.unusable).toEqual({ withoutId: 1, withoutScore: 4 })
    expect(() => topic.end()).not.toThrow()
  })

  test('of which no record has the field is refused with the numbers that there are', () => {
    const { topic } = read([record({ model: 'a', score: { p: 0.5, q: 1 }, rank: 3 })])
    expect(() => topic.end()).toThrow(
      expect.objectContaining({
        ...{ code: 'CONFIG_INVALID', message: 'no record has a number "probability"' },
        where: 'predictions',
        hint: 'numbers of the first record: score.p, score.q, rank; --field MAIN=OTHER names one for each topic',
      }),
    )
  })

  test('of which none of the first 10,000 records has the field is not read to its end', () => {
    const records = Array.from({ length: 10_000 }, () => record({}))
    expect(() => read(records)).toThrow('no record has a number "probability"')
  })

  test('of which no record has an id is refused', () => {
    const { topic } = read([record({ probability: 1 }, { 'tidemark-id': 'x' })])
    expect(() => topic.end()).toThrow('no record has a tidemark-id')
  })

  test('that is empty is no fault', () => {
    expect(() => read([]).topic.end()).not.toThrow()
  })
})
