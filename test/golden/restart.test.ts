import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { Guarantee } from '../../src/connect/port.ts'
import type { Definition } from '../../src/topology/definition.ts'
import cardFraud from '../../topologies/card-fraud.ts'
import { Watch } from '../runtime/support.ts'
import { folderWith } from '../support/folder.ts'
import { prepare } from '../support/in-process.ts'
import { ROOT } from '../support/paths.ts'
import type { Golden } from './golden.ts'
import {
  type Case,
  CHUNK,
  type Crash,
  caseOf,
  crashAtEach,
  FEATURES_ALONE,
  freshRecords,
  NOTHING_CHOSEN,
  produce,
  SHIPPED,
  settled,
  start,
  stopAtEach,
} from './restarting.ts'

// Restarts at random offsets of a golden input: what comes out must be what one uninterrupted run
// gives (rule R1). long/restart.test.ts goes through each input at more offsets.

const RESTARTS = 4
const FIRST_LINES = 600
/** Lines that a worker crashes on: even where most flights land, they make three small commits. */
const LINES = { min: 4 * CHUNK, max: 6 * CHUNK }
/** A chunk, and a few records: such commits end within a chunk. */
const COMMIT_BYTES = [2 ** 20, 1_500]
/** Lines that come after each crash; after the first all that are left. */
const LINES_AFTER = CHUNK
const MOMENTS = {
  'exactly-once': ['before', 'after'],
  'at-least-once': ['before', 'between', 'after'],
} as const
const HOUR_MS = 3_600_000
const LAG_MS = 30_000

/** Places of restarts, in the order of their lines. */
function randomPlaces({ golden }: Case, count: number) {
  const place = fc.record({
    line: fc.nat(golden.lines.length - LINES.max),
    lines: fc.integer(LINES),
    commitsBefore: fc.nat(2),
  })
  const places = fc.sample(fc.noBias(place), { seed: inject('seed'), numRuns: count })
  return places.toSorted((a, b) => a.line - b.line)
}

/** Every moment with every size of commits. */
function randomCrashes(of: Case, guarantee: Guarantee): Crash[] {
  const { length } = of.golden.lines
  const ways = MOMENTS[guarantee].flatMap((moment) =>
    COMMIT_BYTES.map((maxCommitBytes) => ({ moment, maxCommitBytes })),
  )
  return randomPlaces(of, ways.length).map(({ line, lines, commitsBefore }, n) => {
    const way = ways[n] as (typeof ways)[number]
    const after = n === 0 ? length : LINES_AFTER
    const to = Math.min(length, line + lines + after)
    const isSmall = way.maxCommitBytes === COMMIT_BYTES[1]
    return { line, lines, to, ...way, commitsBefore: isSmall ? commitsBefore : 0 }
  })
}

describe('payments, restored from the middle of the log', () => {
  let of: Case
  beforeAll(async () => {
    of = await caseOf(SHIPPED)
  })
  afterAll(() => of.prepared.close())

  test('stopped and started again at random offsets, one after the other, give what one run gives', async () => {
    const stops = randomPlaces(of, RESTARTS).map(({ line }) => line)
    const ended = await stopAtEach(of, [...stops, of.golden.lines.length])
    expect(ended.failed).toEqual([])
    expect(ended.repetitions).toBe(0)
    // It has been restored again and again, from the log.
    expect(ended.restored).toBeGreaterThan(RESTARTS)
  })

  test('crashed exactly-once at random offsets, the next worker goes on as one run does', async () => {
    const ended = await crashAtEach(of, 'exactly-once', randomCrashes(of, 'exactly-once'))
    expect(ended).toEqual({ failed: [], repetitions: 0 })
  })
})

/**
 * Flights look into tables, and landings lead to no output. Which payments a model fails on must
 * not depend on where batches begin. Machines have windows before an event and of a condition.
 */
test.each([FEATURES_ALONE, 'card-fallback', 'machines'])(
  'crashed at-least-once at random offsets, the next worker goes on as one run does: %s',
  async (name) => {
    const of = await caseOf(name, FIRST_LINES)
    const crashes = randomCrashes(of, 'at-least-once')
    const { failed, repetitions } = await crashAtEach(of, 'at-least-once', crashes)
    await of.prepared.close()
    expect(failed).toEqual([])
    // There must be some: else nothing was cut off in between.
    expect(repetitions).toBeGreaterThan(0)
  },
)

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
