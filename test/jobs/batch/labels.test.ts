import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { sqlText } from '../../../src/connect/files/duckdb.ts'
import { type LabelOptions, Labels } from '../../../src/jobs/batch/labels.ts'
import { folderWith } from '../../support/folder.ts'
import { runs } from '../../support/runs.ts'

const FLAGS = { labelBy: 'id=orderId', label: 'isFraud', labelAt: 'knownAt', within: 100 }
/** Times of events and labels, ms. */
const T0 = Date.UTC(2026, 0, 1)
const NOW = Date.UTC(2026, 6, 1)

function openIn(folder: string, name: string, flags: LabelOptions = {}): Promise<Labels> {
  const labels = { ...FLAGS, ...flags, labels: join(folder, name) }
  return Labels.open(labels, folder, { nowMs: () => NOW }) as Promise<Labels>
}

function open(content: string | Buffer, name = 'labels.ndjson', flags: LabelOptions = {}) {
  return openIn(folderWith({ [name]: content }), name, flags)
}

/** The label of an event whose id is written so in JSON. */
function labelOf(labels: Labels, id: string, eventMs: number) {
  const json = `{"orderId":${id}}`
  return labels.of(JSON.parse(json) as Record<string, unknown>, eventMs, () => json)
}

interface Given {
  readonly id: string | number
  readonly isFraud: number | null
  readonly knownAt: number
}

type Event = readonly [id: string | number, eventMs: number]

/** The same, from what the words say. */
function naive(given: readonly Given[], knownTo: number | null, [id, eventMs]: Event) {
  const labels = given.filter(({ knownAt }) => knownAt <= (knownTo ?? NOW))
  const known = labels
    .filter((label) => String(label.id) === String(id) && label.isFraud !== null)
    .filter(({ knownAt }) => eventMs <= knownAt && knownAt <= eventMs + FLAGS.within)
    .sort((a, b) => a.knownAt - b.knownAt)
  if (known[0] !== undefined) return { label: known[0].isFraud, labelState: 'labelled' }
  const times = knownTo === null ? labels.map(({ knownAt }) => knownAt) : [knownTo]
  const isOver = times.some((time) => time >= eventMs + FLAGS.within)
  return { label: null, labelState: isOver ? 'none' : 'immature' }
}

const id = fc.constantFrom('a', 'b', '7', 7, 'constructor', '__proto__')
const time = fc.integer({ min: T0, max: T0 + 400 })
const label = fc.record({ id, isFraud: fc.option(fc.integer({ min: 0, max: 9 })), knownAt: time })
const event = fc.tuple(id, time)

test('a row has the first label that became known in time; without one, it is known whether one may come', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(label, { maxLength: 12 }),
      fc.array(event, { maxLength: 12 }),
      fc.option(time),
      async (given, events, knownTo) => {
        const lines = given.map((line) => `${JSON.stringify(line)}\n`).join('')
        const flags = knownTo === null ? {} : { knownTo: String(knownTo) }
        const labels = await open(lines, 'labels.ndjson', flags)
        const expected = events.map((of) => naive(given, knownTo, of))
        const found = events.map(([of, eventMs]) => labelOf(labels, JSON.stringify(of), eventMs))
        expect(found).toEqual(expected)
      },
    ),
    { numRuns: runs(500) },
  )
})

test.each(['labels.csv', 'LABELS.CSV', 'labels.csv.gz'])(
  'numbers of %s are numbers, and its ids are texts',
  async (name) => {
    const csv = `id,isFraud,knownAt\n007,1,${T0 + 50}\n7,,${T0 + 60}\n8,no,2026-01-01 01:00:00.050+01:00\n`
    const labels = await open(name.endsWith('.gz') ? gzipSync(csv) : csv, name)
    expect(labelOf(labels, '"007"', T0)).toEqual({ label: 1, labelState: 'labelled' })
    expect(labelOf(labels, '"7"', T0)).toEqual({ label: null, labelState: 'immature' })
    expect(labelOf(labels, '7', T0 - 40)).toEqual({ label: null, labelState: 'none' })
    expect(labelOf(labels, '"8"', T0)).toEqual({ label: 'no', labelState: 'labelled' })
  },
)

/** Two integers that are one float64. */
const TWINS = ['9007199254740992', '9007199254740993']

test.each(['labels.ndjson', 'labels.csv', 'labels.parquet'])(
  'an id beyond 2^53 labels its own event only, from %s',
  async (name) => {
    const rows = TWINS.map((twin, i) => [twin, i, T0])
    const csv = ['id,isFraud,knownAt', ...rows.map((row) => row.join(','))].join('\n')
    const lines = rows.map(([twin, i, at]) => `{"id":${twin},"isFraud":${i},"knownAt":${at}}`)
    const folder = folderWith({ 'labels.csv': csv, 'labels.ndjson': lines.join('\n') })
    const sql = await (await DuckDBInstance.create(':memory:')).connect()
    await sql.run(
      `COPY (FROM read_csv(${sqlText(join(folder, 'labels.csv'))})) TO ${sqlText(join(folder, 'labels.parquet'))}`,
    )
    sql.closeSync()
    const labels = await openIn(folder, name)
    for (const [i, twin] of TWINS.entries()) {
      for (const written of [twin, `"${twin}"`]) {
        expect(labelOf(labels, written, T0)).toEqual({ label: i, labelState: 'labelled' })
      }
    }
    expect(labelOf(labels, '9007199254740994', T0).label).toBe(null)
  },
)

test('ids are one where their texts are, or whole numbers that are exact', async () => {
  const ids = ['1', '"1.0"', '1e400', '0.5', '"null"', '9007199254740993.0']
  const lines = ids.map((of, i) => `{"id":${of},"isFraud":${i},"knownAt":${T0},"n":[1e5,"\\"7"]}`)
  const labels = await open(lines.join('\n'))
  const found = (of: string) => labelOf(labels, of, T0).label
  expect(['1', '1.0', '"1"', '"1.0"'].map(found)).toEqual([0, 0, 0, 1])
  expect(['1e400', '1e401', '"1e400"', '0.5', '0.50'].map(found)).toEqual([2, null, 2, 3, null])
  expect(['null', 'true', '9007199254740993'].map(found)).toEqual([null, null, null])
})

test('the exact id of an event is looked for where the row has it from', async () => {
  const [even, odd] = TWINS
  const labels = await open(`{"of":{"id":${odd}},"isFraud":1,"knownAt":${T0}}`, 'labels.ndjson', {
    labelBy: 'of.id=id',
  })
  const found = (json: string) => labels.of({ id: Number(even) }, T0, () => json).label
  expect(found(`{"id":${odd}}`)).toBe(1)
  // A function has made another id of it, or there is no event.
  expect([found(`{"id":7,"n":${odd}}`), found('null')]).toEqual([null, null])
})

test.each([
  '{"id":"a","isFraud":1}',
  '{"isFraud":1,"knownAt":1}',
  '{"id":true,"isFraud":1,"knownAt":1}',
  '{"id":"a","isFraud":1,"knownAt":"soon"}',
  // It has no offset from UTC.
  '{"id":"a","isFraud":1,"knownAt":"2026-01-01T06:00:00"}',
  'nonsense',
])('%s is no label', async (line) => {
  await expect(open(`\n${line}`)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: 'a label needs id, and knownAt as a time',
    where: expect.stringMatching(/labels\.ndjson:2$/),
  })
})

const at = (knownAt: number | string) => JSON.stringify({ id: 'a', isFraud: 1, knownAt })

test.each([NOW + 1, '2026-07-02', '2099-01-01T00:00:00Z'])(
  'a label of %s is later than the clock, and refused with its line',
  async (knownAt) => {
    await expect(open(`${at(NOW)}\n${at(knownAt)}`)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/^knownAt \d+ is yet to come$/),
      where: expect.stringMatching(/labels\.ndjson:2$/),
    })
  },
)

test.each([
  [T0 / 1_000, 'looks like seconds'],
  [T0 * 1_000, 'looks like microseconds'],
  [`${T0}000`, 'looks like microseconds'],
  [T0 * 1e6, 'looks like nanoseconds'],
  [`${T0}000000`, 'looks like nanoseconds'],
  ['2255-01-01', 'is not between 1980 and 2100 in any unit'],
])('a label of %s %s', async (knownAt, unit) => {
  await expect(open(at(knownAt))).rejects.toMatchObject({
    code: 'TIME_UNIT',
    message: expect.stringContaining(unit),
    where: expect.stringMatching(/labels\.ndjson:1$/),
  })
})

test('a field of the label that no line has is refused; one that some lines have is not', async () => {
  const labels = `${at(T0)}\n{"id":"b","knownAt":${T0}}`
  await expect(open(labels, 'labels.ndjson', { label: 'typo' })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: 'no line has a field "typo"',
    where: expect.stringMatching(/labels\.ndjson$/),
  })
  expect(labelOf(await open(labels), '"a"', T0).label).toBe(1)
  expect(labelOf(await open(''), '"a"', T0).labelState).toBe('immature')
})
