import { join } from 'node:path'
import { expect, test } from 'vitest'
import { NEEDS, type NeedName } from '../../../src/cli/advise/demand.ts'
import { tidemark } from '../../support/command-line.ts'
import { folderWith } from '../../support/folder.ts'
import { ROOT } from '../../support/paths.ts'

// Lines of a topology that are advised do, as they stand, what they are advised for.

const NOON_MS = Date.UTC(2026, 0, 1, 12)
const EVENTS = Array.from({ length: 200 }, (_, n) =>
  JSON.stringify({ id: `i${n}`, at: NOON_MS + n, amount: n }),
).join('\n')

const POPULAR = [
  { id: 'i3', probability: 0.33, at: NOON_MS },
  { id: 'i4', probability: 0.44, at: NOON_MS },
]
  .map((row) => JSON.stringify(row))
  .join('\n')

/** A topology whose model cannot score the event of amount 7, with the lines of a need. */
function topologyWith(name: NeedName): string {
  const [, ...lines] = NEEDS[name]
  const [score = ".score({ models: { main: model }, otherwise: 'main' })"] = lines.filter((line) =>
    line.startsWith('.score('),
  )
  const constants = lines.filter((line) => line.startsWith('const '))
  const features = lines.filter((line) => !line.startsWith('.') && !line.startsWith('const '))
  return `
import { defineTopology, file, hours, minutes, redis, rule, seconds } from ${JSON.stringify(join(ROOT, 'dist/index.js'))}
import { z } from ${JSON.stringify(join(ROOT, 'node_modules/zod/index.js'))}
const Item = z.object({ rank: z.number() })
const Popular = z.object({ id: z.string(), probability: z.number(), at: z.number() })
const model = rule({ outputs: ['probability'] }, (f: { amount: number }) => ({ probability: f.amount === 7 ? NaN : 0.1 }))
const candidate = rule({ outputs: ['probability'] }, (f: { amount: number }) => ({ probability: 0.2 }))
const rules = rule({ outputs: ['probability'] }, (f: { amount: number }) => ({ probability: 0.9 }))
export default defineTopology('advised', (t) => {
  ${constants.join('\n  ')}
  return t
    .source('events', {
      schema: z.object({ id: z.string(), at: z.int(), amount: z.number() }),
      key: (e) => e.id,
      eventTimeMs: (e) => e.at,
      watermark: { lag: seconds(30) },
      onLate: 'dead-letter',
    })
    .features((f) => {
      const events = f.events({ amount: (e) => e.amount })
      return { amount: events.value('amount'), ${features.join(' ')}}
    })
    ${score}
    .map((s) => ({ id: s.event.id, route: s.route, features: s.features, probability: s.score.probability }))
    .sink('out')
})
`
}

interface Output {
  readonly id: string
  readonly route: string
  readonly features: Readonly<Record<string, number>>
  readonly probability: number
}

async function outputsWith(name: NeedName, ...flags: string[]): Promise<Output[]> {
  const folder = folderWith({
    'package.json': '{"type":"module"}',
    'advised.ts': topologyWith(name),
    'popular.ndjson': POPULAR,
    'items.ndjson': 'i3\t{"rank":1}\n',
  })
  const stores = flags.map((flag) => flag.replace('FOLDER', folder))
  const { code, stdout, stderr } = await tidemark(['dev', join(folder, 'advised.ts'), ...stores], {
    stdin: EVENTS,
  })
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: expect.stringContaining('200 in = ') as string,
  })
  const lines = stdout.trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as Output)
}

test('fallback: what the model cannot score has the score of the rules', async () => {
  const outputs = await outputsWith('fallback')
  expect(outputs).toHaveLength(200)
  const others = outputs.filter(({ route }) => route !== 'main')
  expect(others).toMatchObject([{ id: 'i7', probability: 0.9 }])
})

test('reuse: what has a score of the batch gets that one', async () => {
  const outputs = await outputsWith('reuse')
  const reused = outputs.filter(({ route }) => route === 'reuse')
  expect(new Map(reused.map(({ id, probability }) => [id, probability]))).toEqual(
    new Map([
      ['i3', 0.33],
      ['i4', 0.44],
    ]),
  )
  expect(outputs.filter(({ route }) => route === 'main')).toHaveLength(197)
})

test('ab: a tenth of the keys has the score of the candidate', async () => {
  const outputs = await outputsWith('ab')
  const canaries = outputs.filter(({ route }) => route === 'canary')
  expect(canaries.length).toBeGreaterThan(5)
  expect(canaries.length).toBeLessThan(40)
  expect(canaries.every(({ probability }) => probability === 0.2)).toBe(true)
})

test('cache: features come from the rows of the store', async () => {
  const outputs = await outputsWith('cache', '--store', 'items=FOLDER/items.ndjson')
  expect(outputs.find(({ id }) => id === 'i3')?.features).toMatchObject({ rank: 1 })
})

test('every need with lines is tried here', () => {
  const withLines = Object.entries(NEEDS).filter(([, [, ...lines]]) => lines.length > 0)
  expect(withLines.map(([name]) => name)).toEqual(['fallback', 'reuse', 'cache', 'ab'])
})
