import { describe, expect, test } from 'vitest'
import { folderWith } from '../support/folder.ts'
import { compare, keepRun, keptRuns, type Run } from './kept-runs.ts'
import type { Row } from './measurements.ts'

const windows: Row = { stage: 'windows', what: 'W1', figure: 1_500, unit: 'ns CPU/event' }
const p99: Row = { stage: 'latency', what: '2,000/s', figure: 90, unit: 'ms p99' }

function run(rows: readonly Row[], differs: Partial<Run> = {}): Run {
  const place = { machine: '2 cores, X, Node 20.20.2', commit: '099d963', events: 300_000 }
  return { at: '2026-11-27T10:00:00.000Z', load: 0.5, ...place, rows, ...differs }
}

test('the ratio is of this run to the last, for the same measurement and unit', () => {
  const p50: Row = { ...p99, figure: 20, unit: 'ms p50' }
  const { rows, note } = compare(run([windows, p99]), [
    run([p50, { ...windows, figure: 2_000 }, { ...p99, figure: 60 }]),
  ])
  expect(rows).toEqual([
    { row: windows, last: 2_000, ratio: 0.75 },
    { row: p99, last: 60, ratio: 1.5 },
  ])
  expect(note).toBe('last: 2026-11-27T10:00:00.000Z, commit 099d963, load 0.5 before')
})

test('a row that the last run lacks is compared with the newest run that has it, with a note', () => {
  const before = [
    run([p99]),
    run([{ ...windows, figure: 3_000 }]),
    run([{ ...windows, figure: 1 }]),
  ]
  const { rows, note } = compare(run([windows]), before)
  expect(rows).toEqual([{ row: windows, last: 3_000, ratio: 0.5 }])
  expect(note).toMatch(/the newest run that has them$/)
})

test('the first run is not compared', () => {
  const { rows, note } = compare(run([windows]), [])
  expect(rows).toEqual([{ row: windows, last: null, ratio: null }])
  expect(note).toMatch(/first/)
})

test('without a figure there is no ratio', () => {
  const none: Row = { ...p99, figure: 'not measured' }
  expect(compare(run([none]), [run([p99])]).rows).toEqual([{ row: none, last: 90, ratio: null }])
  expect(compare(run([p99]), [run([none])]).rows).toEqual([{ row: p99, last: null, ratio: null }])
})

describe.each([
  ['on another Node', { machine: '2 cores, X, Node 24.21.0' }, 'Node 24.21.0'],
  ['with another number of payments', { events: 20_000 }, '20,000 payments'],
])('a run %s', (_, differs, why) => {
  test('is not compared, and the note says why', () => {
    const { rows, note } = compare(run([windows]), [run([windows], differs)])
    expect(rows).toEqual([{ row: windows, last: null, ratio: null }])
    expect(note).toMatch(new RegExp(`^not compared: .*${why}$`))
  })

  test('is skipped in favour of an older one of the same kind', () => {
    const older = run([{ ...windows, figure: 750 }])
    expect(compare(run([windows]), [run([windows], differs), older]).rows).toEqual([
      { row: windows, last: 750, ratio: 2 },
    ])
  })
})

test('kept runs are found again, newest first, without the profiles in the same folder', () => {
  const folder = folderWith({ '2026-11-27T09-00-00.000Z.cpuprofile': '{}' })
  const older = run([windows])
  const newer = run([p99], { at: '2026-11-27T10:00:01.000Z' })
  for (const one of [newer, older]) keepRun(folder, one)
  expect(keptRuns(folder)).toEqual([newer, older])
})
