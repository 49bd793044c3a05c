import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { committingThrough } from '../../src/records/committing-through.ts'
import { MemoryRecords } from '../../src/records/memory/memory-records.ts'
import type { Guarantee, Records } from '../../src/records/port.ts'
import type { RuntimeEvent } from '../../src/runtime/events.ts'
import { type Prepared, prepare } from '../../src/runtime/prepare.ts'
import { startWorker, type Worker } from '../../src/runtime/worker.ts'
import { type Definition, outputTopics } from '../../src/topology/definition.ts'
import cardFraud from '../../topologies/card-fraud.ts'
import { Watch } from '../runtime/support.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'
import { answersOf, idOf, outcomeOf } from './answers.ts'
import { type Answer, compareGolden, type Golden, readGolden } from './golden.ts'
import { withFeatures } from './with-features.ts'

// Restarts at 200 offsets of a golden input: what comes out must be what one uninterrupted run
// gives (rule R1).

const GROUP = 'golden'
const TIMEOUT_MS = 120_000
/** Of every record: after all events, so that the future guard lets them pass. */
const RECORD_TIME_MS = Date.UTC(2027, 0, 1)
const RESTARTS = 200
/** Lines that are scored after each crash; every tenth time all that are left. */
const LINES_AFTER = 80
const EVERY_TO_THE_END = 40
const MIB = 2 ** 20
const CHUNK = 40
const HOUR_MS = 3_600_000
const LAG_MS = 30_000
const NOTHING_CHOSEN = { models: new Map(), topics: new Map(), maxAhead: 'none' } as const

interface Case {
  readonly golden: Golden
  readonly prepared: Prepared
  readonly definition: Definition
}

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

function freshRecords({ golden, definition }: Case): MemoryRecords {
  const records = new MemoryRecords({ chunkRecords: CHUNK })
  for (const topic of [definition.source.topic, ...outputTopics(definition)]) {
    records.createTopic(topic, { partitions: golden.partitions })
  }
  return records
}

function produce(records: MemoryRecords, of: Case, [from, to]: readonly [number, number]): void {
  const { topic } = of.definition.source
  records.produce(
    of.golden.lines.slice(from, to).map(({ key, value }) => ({
      topic,
      partition: null,
      key: Buffer.from(key),
      value: Buffer.from(value),
      timestampMs: RECORD_TIME_MS,
      headers: [],
    })),
  )
}

interface Start {
  readonly seen?: RuntimeEvent[]
  readonly guarantee?: Guarantee
  readonly maxCommitBytes?: number
}

function start(of: Case, records: Records, { seen = [], ...more }: Start = {}): Worker {
  const observer = (event: RuntimeEvent) => seen.push(event)
  return startWorker({ prepared: of.prepared, records, group: GROUP, observer, ...more })
}

async function settled(of: Case, records: MemoryRecords, worker: Worker): Promise<void> {
  await Promise.race([records.settled(GROUP, of.definition.source.topic), worker.done])
}

/** What differs from the expected answers to the first lines. */
function differences(of: Case, records: MemoryRecords, lines: number): string[] {
  const part = { ...of.golden, expected: of.golden.expected.slice(0, lines) }
  return compareGolden(part, answersIn(of, records, lines))
}

/** How many outputs and dead letters stand there once more. */
function repetitionsIn({ definition }: Case, records: MemoryRecords): number {
  const ids = outputTopics(definition).flatMap((topic) => records.read(topic).map(idOf))
  return ids.length - new Set(ids).size
}

/** @throws Error when an output came twice and was not the same */
function answersIn({ golden, definition }: Case, records: MemoryRecords, lines: number): Answer[] {
  const [sink, dlq] = outputTopics(definition) as [string, string]
  const ends = new Map<number, number>()
  const places = golden.lines.slice(0, lines).map(({ partition }) => {
    const offset = ends.get(partition) ?? 0
    ends.set(partition, offset + 1)
    return { partition, offset }
  })
  return answersOf(golden, places, outcomeOf(records.read(sink), records.read(dlq)))
}

/** Where a commit is cut off. */
type Moment = 'before' | 'between' | 'after'

/**
 * Records of which a commit is cut off: before it, between its outputs and its offsets, or after
 * it; and what is then left.
 */
function crashing(inner: MemoryRecords, at: Moment, commitsBefore: number) {
  let commits = 0
  let tell: (left: MemoryRecords) => void = () => {}
  const left = new Promise<MemoryRecords>((resolve) => {
    tell = resolve
  })
  const records = committingThrough(inner, async (commit, member) => {
    if (commits++ < commitsBefore) return member.commit(commit)
    if (at !== 'before') {
      await member.commit(at === 'after' ? commit : { ...commit, nextOffsets: [] })
    }
    tell(inner.clone())
    inner.crash()
    throw new Error('crashed')
  })
  return { records, left }
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
        const worker = start(of, records, { seen })
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
      const { golden } = of
      const main = freshRecords(of)
      const step = Math.floor(golden.lines.length / (wanted + 2))
      const worker = start(of, main)
      const failed: string[] = []
      let crashes = 0
      let repetitions = 0
      for (let line = 0; line + 2 * step < golden.lines.length; line += step) {
        produce(main, of, [line, line + step])
        await settled(of, main, worker)
        crashes++
        const inner = main.clone()
        const moment = moments[crashes % 2] as Moment
        const { records, left: whatIsLeft } = crashing(
          inner,
          moment,
          maxCommitBytes < MIB ? crashes % 3 : 0,
        )
        produce(inner, of, [line + step, line + 2 * step])
        const dying = start(of, records, { guarantee, maxCommitBytes })
        const left = await whatIsLeft
        await expect(dying.done).rejects.toThrow('crashed')
        const from = line + 2 * step
        const isLong = crashes % EVERY_TO_THE_END === 0
        const to = Math.min(golden.lines.length, isLong ? golden.lines.length : from + LINES_AFTER)
        produce(left, of, [from, to])
        const next = start(of, left, { guarantee })
        await settled(of, left, next)
        await next.stop()
        repetitions += repetitionsIn(of, left)
        const wrong = differences(of, left, to)
        if (wrong.length > 0) failed.push(`after line ${line + step}: ${wrong[0]}`)
      }
      await worker.stop()
      expect(crashes).toBeGreaterThanOrEqual(wanted)
      expect(failed).toEqual([])
      // At least once there must be some: else nothing was cut off in between.
      const [least, most] = guarantee === 'exactly-once' ? [0, 0] : [wanted / 4, Infinity]
      expect(repetitions).toBeGreaterThanOrEqual(least)
      expect(repetitions).toBeLessThanOrEqual(most)
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
    const second = startWorker({ prepared, records, group: GROUP, observer: watch.observer })
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
