import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import type {
  Definition,
  EventFunction,
  FeaturesStep,
  TableDefinition,
} from '../../../src/topology/definition.ts'
import { stepsOf } from '../../../src/topology/graph.ts'
import {
  type Answer,
  compareGolden,
  firstLines,
  type Golden,
  readGolden,
  unscored,
} from '../../golden/golden.ts'
import { type Arrival, unroundedFeatures } from './naive-features.ts'

// Two oracles that share no code: the expected files and the naive features step.

const root = new URL('../../golden/', import.meta.url)
/** Folders with the features of each line: the others have the same input. */
const FOLDERS = ['card-5k', 'card-28h', 'card-edge', 'flight-delay', 'machines']

describe.each(FOLDERS)('%s', (name) => {
  it('has the outcomes and features that the naive oracle computes', async () => {
    const whole = readGolden(new URL(name, root).pathname)
    // Payments of 28 hours come to windows of a day.
    const golden = name === 'card-28h' ? whole : firstLines(whole, 1_000)
    const module = (await import(pathToFileURL(golden.topologyFile).href)) as {
      default: Definition
    }
    const answers = naiveAnswers(module.default, golden)
    expect(compareGolden(unscored(golden), answers)).toEqual([])
  })
})

function naiveAnswers(topology: Definition, golden: Golden): Answer[] {
  const { source } = topology
  const key = source.key as EventFunction<string>
  const eventTimeMs = source.eventTimeMs as EventFunction<number>
  const step = [...stepsOf(topology.then)].find((s) => s.op === 'features')
  if (step === undefined) throw new Error('no features step')
  const tables = new Map(topology.tables.map((table) => [table.name, rowsOf(table)]))
  const events = golden.lines.map(({ value }) => parse(value, source.schema))
  const answers: Answer[] = events.map(() => ({ outcome: 'malformed' }))
  for (let partition = 0; partition < golden.partitions; partition++) {
    const lines = [...events.keys()].filter(
      (line) => golden.lines[line]?.partition === partition && events[line] !== undefined,
    )
    const arrivals = lines.map((line): Arrival => {
      const event = events[line]
      return { key: key(event), timeMs: eventTimeMs(event), event }
    })
    const options = {
      lagMs: source.watermark.lagMs,
      onLate: source.onLate,
      lookup: (table: string) => tables.get(table) ?? new Map<string, unknown>(),
    }
    unroundedFeatures(step, options, arrivals).forEach(({ row }, i) => {
      const line = lines[i] ?? -1
      answers[line] = { ...answerOf(step, row && derived(row, step), events[line]), partition }
    })
  }
  return answers
}

/** A row with the features that the steps behind derive, without those that they drop, rounded. */
function derived(row: readonly number[], { features, then }: FeaturesStep): Float32Array {
  let values = new Map(features.map(({ name }, i) => [name, row[i] as number]))
  for (const step of stepsOf(then)) {
    if (step.op !== 'derive') continue
    const before = Object.fromEntries(values)
    const own = Object.entries(step.derived).map(([name, of]) => [name, of(before)] as const)
    values = new Map([...[...values].filter(([name]) => !step.drop.includes(name)), ...own])
  }
  return Float32Array.from(values.values())
}

function answerOf(step: FeaturesStep, row: Float32Array | null, event: unknown): Answer {
  if (row === null) return { outcome: 'late' }
  const kept = step.then.every((next) => next.op !== 'where' || next.keep?.(event, {}) !== false)
  return kept ? { outcome: 'scored', features: row } : { outcome: 'skipped' }
}

function rowsOf(table: TableDefinition): Map<string, unknown> {
  const lines = readFileSync(table.from.file as URL, 'utf8')
    .trimEnd()
    .split('\n')
  const rows = lines.map((line) => parse(line, table.schema))
  return new Map(rows.map((row) => [table.key?.(row) ?? '', row]))
}

/** `undefined` where the text is not JSON or does not fit. */
function parse(text: string, schema: Definition['source']['schema']): unknown {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return undefined
  }
  const result = schema['~standard'].validate(json)
  if (result instanceof Promise) throw new Error('a schema that answers later')
  return result.issues === undefined ? result.value : undefined
}
