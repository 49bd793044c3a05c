import { expect, test } from 'vitest'
import { startDriver } from '../support/driver.ts'
import { placeOfId } from './answers.ts'
import { firstLines, readGolden } from './golden.ts'
import topology from './topologies/card-shadow.ts'

const golden = firstLines(readGolden(new URL('card-shadow', import.meta.url).pathname), 1_000)
const SENT_AT_MS = Date.UTC(2026, 1, 1)

interface ShadowValue {
  readonly model: string
  readonly score: { readonly probability: number }
  readonly main: ShadowValue & { readonly route: string }
}

test('each line has the score of its shadow that the oracle gives it, beside the published one', async () => {
  const driver = await startDriver(topology, { partitions: golden.partitions })
  const places = await driver.pipeRecords(
    golden.lines.map(({ key, value }) => ({ key, value, timestampMs: SENT_AT_MS })),
  )
  const lineAt = new Map(places.map(({ partition, offset }, i) => [`${partition}/${offset}`, i]))
  const outputs = driver.outputs('card-shadow' as never)
  expect(outputs).toHaveLength(golden.expected.filter((a) => a.shadow !== undefined).length)
  const seen = new Set<number>()
  for (const { headers, value } of outputs) {
    const { partition, offset } = placeOfId(headers['tidemark-id'] as string)
    const line = lineAt.get(`${partition}/${offset}`) as number
    const { model, score, main } = value as ShadowValue
    const expected = golden.expected[line]
    expect(score.probability).toBeCloseTo(expected?.shadow as number, 6)
    expect(main.score.probability).toBeCloseTo(expected?.probability as number, 6)
    expect([model, main.model, main.route]).toEqual(['card-gbdt-v2@1', 'card-gbdt@1', 'main'])
    seen.add(line)
  }
  expect(seen.size).toBe(outputs.length)
})
