import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { MemoryRecords } from '../../src/connect/memory/memory-records.ts'
import type { Guarantee } from '../../src/connect/port.ts'
import type { RegisteredSchema } from '../../src/registry/schema-registry.ts'
import { committingThrough } from '../connect/committing-through.ts'
import { HandRegistry } from '../formats/registry/hand-registry.ts'
import { headerOf } from '../support/headers.ts'
import { runs } from '../support/runs.ts'
import { GROUP } from './memory-workers.ts'
import {
  givenUp,
  JSON_SCHEMA,
  runAll,
  type Sent,
  send,
  started,
  topics,
} from './registry-workers.ts'

// Workers that crash at any commit, over a registry that learns and flaps, against one run in which
// the records that were given up have no schema id at all, and every id is known (rule R9).

const IDS = [1, 57, 58]
/** Closes the windows of all others. */
const LAST: Sent = { id: 1, key: 'last', atMs: 10_000_000 }
const EVENTS = { topic: 'events', partition: 0 }

type Moment = 'before' | 'between' | 'after'

interface Step {
  readonly events: readonly Sent[]
  /** The id of the schema that the registry learns in this step; `null`: none. */
  readonly learns: number | null
  /** The commit at which the worker crashes; `null`: it is stopped when all is done. */
  readonly crash: { readonly commit: number; readonly at: Moment } | null
  /** A commit may end within a chunk. */
  readonly maxCommitBytes: number
  /** The offset is set back by so many before the worker starts. */
  readonly back: number
}

/** Answers every n-th request that it is down. */
class FlappingRegistry extends HandRegistry {
  readonly #every: number

  constructor(every: number) {
    super()
    this.#every = every
  }

  override schema(id: number): Promise<RegisteredSchema> {
    this.isDown = this.asked.length % this.#every === this.#every - 1
    return super.schema(id)
  }
}

/** Records of which a commit is cut off, and what is left of them. */
function crashing(inner: MemoryRecords, { commit: at, at: moment }: NonNullable<Step['crash']>) {
  let commits = 0
  let tell: (left: MemoryRecords) => void = () => {}
  const left = new Promise<MemoryRecords>((resolve) => {
    tell = resolve
  })
  const records = committingThrough(inner, async (commit, member) => {
    if (commits++ < at) return member.commit(commit)
    if (moment !== 'before') {
      await member.commit(moment === 'after' ? commit : { ...commit, nextOffsets: [] })
    }
    inner.crash()
    tell(inner)
    throw new Error('crashed')
  })
  return { records, left }
}

interface Setting {
  readonly guarantee: Guarantee
  readonly flapsEvery: number
}

/** @returns the records when all steps are done and their windows closed */
async function simulated(steps: readonly Step[], { guarantee, flapsEvery }: Setting) {
  let records = topics()
  const hand = new FlappingRegistry(flapsEvery)
  hand.add(1, JSON_SCHEMA)
  for (const { events, learns, crash, maxCommitBytes, back } of steps) {
    send(records, events)
    if (learns !== null) hand.add(learns, JSON_SCHEMA)
    if (back > 0) setBack(records, back)
    const run = { hand, guarantee, maxCommitBytes }
    if (crash !== null) {
      const crashed = crashing(records, crash)
      const { worker } = await started(crashed.records, run)
      const settled = records.settled(GROUP, 'events').then(() => records)
      records = await Promise.race([crashed.left, settled])
      // It may crash at the commit that settles all.
      await worker.stop().catch(() => {})
    } else await runAll(records, run)
  }
  send(records, [LAST])
  await runAll(records, { hand, guarantee })
  return records
}

function setBack(records: MemoryRecords, by: number): void {
  const { nextOffset } = records.committed(GROUP, EVENTS) ?? { nextOffset: 0 }
  records.resetOffset(GROUP, EVENTS, { nextOffset: Math.max(0, nextOffset - by), metadata: '' })
}

/** One run in which these offsets hold no value of a registry, and every schema is known. */
async function naive(written: MemoryRecords, offsets: readonly number[]): Promise<MemoryRecords> {
  const records = topics()
  const hand = new HandRegistry()
  for (const id of IDS) hand.add(id, JSON_SCHEMA)
  records.produce(
    written.read('events').map(({ offset, key, value, timestampMs, headers }) => ({
      ...{ ...EVENTS, key, timestampMs, headers },
      value: offsets.includes(offset) ? Buffer.from('{}') : value,
    })),
  )
  await runAll(records, { hand })
  return records
}

/** Each output by its id; of several, the last. */
function outputsOf(records: MemoryRecords): [id: string, value: string][] {
  const outputs = records.read('counts').map((record): [string, string] => {
    return [headerOf(record, 'tidemark-id') ?? '', String(record.value)]
  })
  return [...new Map(outputs)].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

/** Offsets of the dead letters, by code. */
function deadLetters(records: MemoryRecords, ...codes: readonly string[]): number[] {
  return records
    .read('events.dlq')
    .filter((record) => codes.includes(headerOf(record, 'tidemark.code') ?? ''))
    .map((record) => Number(headerOf(record, '__streams.errors.offset')))
}

function stepsOf({ moments, isOrdered }: { moments: readonly Moment[]; isOrdered: boolean }) {
  const event = fc.record({
    id: fc.constantFrom(...IDS, 1, 1),
    key: fc.constantFrom('a', 'b'),
    atMs: fc.nat(isOrdered ? 4_000 : 60_000),
  })
  const step = fc.record<Step>({
    events: fc.array(event, { maxLength: 14 }),
    learns: fc.constantFrom(null, null, 57, 58),
    crash: fc.option(fc.record({ commit: fc.nat(3), at: fc.constantFrom(...moments) })),
    maxCommitBytes: fc.constantFrom(300, 1_200, 1e6),
    back: isOrdered ? fc.constantFrom(0, 0, 3, 9) : fc.constant(0),
  })
  return fc.array(step, { minLength: 1, maxLength: 5 }).map((steps) => {
    if (!isOrdered) return steps
    let atMs = 0
    const later = (sent: Sent): Sent => {
      atMs += sent.atMs
      return { ...sent, atMs }
    }
    return steps.map((each) => ({ ...each, events: each.events.map(later) }))
  })
}

const flapsEvery = fc.constantFrom(1e9, 7)

test('whatever commit a worker crashes at, windows are as if only what was set aside had been missing', async () => {
  const steps = stepsOf({ moments: ['before', 'after'], isOrdered: false })
  const property = fc.asyncProperty(steps, flapsEvery, async (run, every) => {
    const records = await simulated(run, { guarantee: 'exactly-once', flapsEvery: every })
    const offsets = givenUp(records)
    expect(deadLetters(records, 'SCHEMA_UNKNOWN')).toEqual(offsets)
    const other = await naive(records, offsets)
    expect(outputsOf(records)).toEqual(outputsOf(other))
    expect(records.read('counts')).toHaveLength(other.read('counts').length)
    expect(deadLetters(records, 'LATE')).toEqual(deadLetters(other, 'LATE'))
  })
  await fc.assert(property, { numRuns: runs(30) })
})

test.each(['exactly-once', 'at-least-once'] as const)(
  'windows follow what is written down when offsets are set back and commits are cut off between records and offsets (%s)',
  async (guarantee) => {
    const isWhole = guarantee === 'exactly-once'
    const moments: Moment[] = isWhole ? ['before', 'after'] : ['before', 'between', 'after']
    const steps = stepsOf({ moments, isOrdered: true })
    const property = fc.asyncProperty(steps, flapsEvery, async (run, every) => {
      const records = await simulated(run, { guarantee, flapsEvery: every })
      const other = await naive(records, givenUp(records))
      expect(outputsOf(records)).toEqual(outputsOf(other))
    })
    await fc.assert(property, { numRuns: runs(20) })
  },
)
