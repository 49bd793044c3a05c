import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RuntimeEvent } from '../../src/runtime/events.ts'
import { prepare } from '../../src/runtime/prepare.ts'
import type { Definition } from '../../src/topology/definition.ts'
import cardFraud from '../../topologies/card-fraud.ts'
import { Watch } from '../runtime/support.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'
import { type Answer, compareGolden, type Golden, readGolden } from './golden.ts'
import {
  answersIn,
  type Case,
  CHUNK,
  crashAtEachStep,
  differences,
  freshRecords,
  produce,
  repetitionsIn,
  settled,
  start,
} from './restarting.ts'
import { withFeatures } from './with-features.ts'

// Restarts at 200 offsets of a golden input: what comes out must be what one uninterrupted run
// gives (rule R1).

const TIMEOUT_MS = 120_000
const RESTARTS = 200
/** Lines that are scored after each crash; each 40th time all that are left. */
const LINES_AFTER = 80
const EVERY_TO_THE_END = 40
const MIB = 2 ** 20
const SEVERAL_MODELS = [
  'card-routes',
  'card-shares',
  'card-fallback',
  'card-shadow',
  'card-variants',
]
/** Of the folders with several models: their windows are those of the others. */
const FIRST_LINES = 1_000
const HOUR_MS = 3_600_000
const LAG_MS = 30_000
const NOTHING_CHOSEN = { models: new Map(), topics: new Map(), maxAhead: 'none' } as const

/**
 * The payments of `card-28h` through the topology that is shipped, which is restored from a day
 * back.
 */
const SHIPPED = 'card-28h, as shipped'

async function caseOf(name: string): Promise<Case> {
  if (name === SHIPPED) return shippedCase()
  const golden = readGolden(fileURLToPath(new URL(`./${name}`, import.meta.url)))
  const module = (await import(golden.topologyFile)) as { default: Definition }
  const topology = withFeatures(module.default)
  const guard = golden.maxAhead === null ? {} : { maxAhead: golden.maxAhead }
  const prepared = await prepare([topology], { models: new Map(), topics: new Map(), ...guard })
  return { golden, prepared, definition: topology }
}

/**
 * Its expected answers are those of one uninterrupted run, of which all but a card's first payment
 * is checked with the rest.
 */
async function shippedCase(): Promise<Case> {
  const whole = await caseOf('card-28h')
  const definition = withFeatures(cardFraud)
  const prepared = await prepare([definition], NOTHING_CHOSEN)
  const of: Case = { ...whole, prepared, definition }
  await whole.prepared.close()
  const records = freshRecords(of)
  produce(records, of, [0, of.golden.lines.length])
  const worker = start(of, records)
  await settled(of, records, worker)
  await worker.stop()
  const expected = answersIn(of, records, of.golden.lines.length)
  const others = expected.map((answer, line) => comparable(whole.golden.expected[line], answer))
  expect(compareGolden(whole.golden, others)).toEqual([])
  return { ...of, golden: { ...of.golden, expected } }
}

const SINCE = 1

/**
 * The answer with the other's score, which is another model's, and with 0 since the payment before
 * where there was none.
 */
function comparable(other: Answer | undefined, answer: Answer): Answer {
  if (other?.features === undefined || answer.features === undefined) return answer
  const isFirst = other.features[SINCE] === 0 && answer.features[SINCE] === 86_400
  const features = Array.from(answer.features)
  return {
    ...other,
    outcome: answer.outcome,
    features: isFirst ? features.with(SINCE, 0) : features,
  }
}

describe.each(['card-28h', SHIPPED, 'flight-delay'])('%s', (name) => {
  let of: Case
  beforeAll(async () => {
    of = await caseOf(name)
  })
  afterAll(() => of.prepared.close())

  test(
    `stopped and started again at ${RESTARTS} offsets, one after the other, gives what one run gives`,
    async () => {
      const { golden } = of
      const records = freshRecords(of)
      const seen: RuntimeEvent[] = []
      const step = Math.floor(golden.lines.length / (RESTARTS + 2))
      for (let line = 0; line < golden.lines.length; line += step) {
        produce(records, of, [line, line + step])
        const worker = start(of, records, { observer: (event) => seen.push(event) })
        await settled(of, records, worker)
        await worker.stop()
      }
      expect(differences(of, records, golden.lines.length)).toEqual([])
      expect(repetitionsIn(of, records)).toBe(0)
      // It has been restored again and again, from the log.
      expect(seen.filter((e) => e.type === 'restored').length).toBeGreaterThan(RESTARTS)
    },
    TIMEOUT_MS,
  )

  test.each([
    { guarantee: 'exactly-once', wanted: RESTARTS, moments: ['before', 'after'], bytes: MIB },
    {
      guarantee: 'at-least-once',
      wanted: RESTARTS / 2,
      moments: ['before', 'between'],
      bytes: MIB,
    },
    // Commits of a few records, so that they end within a chunk.
    { guarantee: 'exactly-once', wanted: RESTARTS / 2, moments: ['before', 'after'], bytes: 1_500 },
    {
      guarantee: 'at-least-once',
      wanted: RESTARTS / 2,
      moments: ['after', 'between'],
      bytes: 1_500,
    },
  ] as const)(
    'crashed $guarantee at $wanted offsets, $moments a commit of $bytes bytes, the next worker goes on as one run does',
    { timeout: TIMEOUT_MS },
    async ({ guarantee, wanted, moments, bytes: maxCommitBytes }) => {
      const { crashes, failed, repetitions } = await crashAtEachStep(of, {
        guarantee,
        moments,
        maxCommitBytes,
        step: Math.floor(of.golden.lines.length / (wanted + 2)),
        linesAfter: LINES_AFTER,
        everyToTheEnd: EVERY_TO_THE_END,
      })
      expect(crashes).toBeGreaterThanOrEqual(wanted)
      expect(failed).toEqual([])
      // At least once there must be some: else nothing was cut off in between.
      const [least, most] = guarantee === 'exactly-once' ? [0, 0] : [wanted / 4, Infinity]
      expect(repetitions).toBeGreaterThanOrEqual(least)
      expect(repetitions).toBeLessThanOrEqual(most)
    },
  )
})

/** The first lines of a folder, with the topology that answers them. */
async function firstLinesOf(name: string): Promise<Case> {
  const { golden, ...others } = await caseOf(name)
  const lines = golden.lines.slice(0, FIRST_LINES)
  const expected = golden.expected.slice(0, FIRST_LINES)
  return { golden: { ...golden, lines, expected }, ...others }
}

describe.each(SEVERAL_MODELS)('%s', (name) => {
  let of: Case
  beforeAll(async () => {
    of = await firstLinesOf(name)
  })
  afterAll(() => of.prepared.close())

  test.each([
    { guarantee: 'exactly-once', moments: ['before', 'after'] },
    { guarantee: 'at-least-once', moments: ['before', 'between'] },
  ] as const)(
    'crashed $guarantee at every 50th offset, the next worker decides and scores as one run does',
    { timeout: TIMEOUT_MS },
    async ({ guarantee, moments }) => {
      const { crashes, failed, repetitions } = await crashAtEachStep(of, {
        guarantee,
        moments,
        step: 50,
        linesAfter: 50,
        everyToTheEnd: 6,
      })
      expect(crashes).toBe(FIRST_LINES / 50 - 2)
      expect(failed).toEqual([])
      expect(repetitions > 0).toBe(guarantee === 'at-least-once')
    },
  )
})

/** The topology that the README writes, with a model in the place of one's own. */
async function readmeTopology(): Promise<Definition> {
  const page = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const [source = ''] = /(?<=^```ts\n)import \{ defineTopology.*?(?=^```$)/ms.exec(page) ?? []
  const model = new URL('../fixtures/models/risk.onnx', import.meta.url)
  const sha256 = createHash('sha256').update(readFileSync(model)).digest('hex')
  const small = `
    import { onnxModel } from 'tidemark'
    export const small = onnxModel({
      name: 'small', version: '1', file: new URL('${model.href}'), sha256: '${sha256}',
      input: 'features', features: ['count1h', 'mean1h'], outputs: { probability: { tensor: 'risk', column: 0 } },
    })`
  const folder = folderWith({ 'topology.ts': source, 'models/small.model.ts': small })
  const modules = join(folder, 'node_modules')
  mkdirSync(modules)
  symlinkSync(ROOT, join(modules, 'tidemark'))
  symlinkSync(join(ROOT, 'node_modules/zod'), join(modules, 'zod'))
  return ((await import(join(folder, 'topology.ts'))) as { default: Definition }).default
}

/**
 * By partition, how many of its records the windows of the next event may still hold, from the
 * oldest of them on.
 */
function needed({ lines, expected, partitions }: Golden, lengthMs: number): number[] {
  return Array.from({ length: partitions }, (_, partition) => {
    const times = lines.flatMap((line, i) => {
      if (line.partition !== partition) return []
      if (expected[i]?.outcome !== 'scored') return [-Infinity]
      return [(JSON.parse(line.value) as { paidAt: number }).paidAt]
    })
    const watermarkMs = Math.max(...times) - LAG_MS
    return times.length - times.findIndex((timeMs) => timeMs > watermarkMs - lengthMs)
  })
}

describe('of 28 hours of payments a restart reads what the windows need, and no more', () => {
  test.each([
    ['the README’s topology', 1, readmeTopology],
    ['card-fraud', 24, async () => cardFraud],
  ] as const)('%s', async (_, hours, topology) => {
    const definition = await topology()
    const { golden, prepared: w1 } = await caseOf('card-28h')
    await w1.close()
    const prepared = await prepare([definition], NOTHING_CHOSEN)
    const of: Case = { golden, prepared, definition }
    const records = freshRecords(of)
    const end = golden.lines.length
    produce(records, of, [0, end])
    const first = start(of, records)
    await settled(of, records, first)
    await first.stop()
    const watch = new Watch()
    const second = start(of, records, { observer: watch.observer })
    await watch.until(() => watch.of('restored').length === golden.partitions)
    await second.stop()
    await prepared.close()
    for (const [partition, least] of needed(golden, hours * HOUR_MS).entries()) {
      const restored = watch.of('restored').find((e) => e.partition.partition === partition)
      expect(restored?.records).toBeGreaterThanOrEqual(least)
      // It begins with a chunk.
      expect(restored?.records).toBeLessThan(least + CHUNK)
    }
  })
})
