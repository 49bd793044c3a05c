import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { grouped } from '../../src/kernel/wording.ts'
import type { Figure } from './figures.ts'
import type { Row } from './measurements.ts'

// Keeps runs as JSON in a folder and compares a run with the earlier ones.

/** The measurements of a run, and where they were made. */
export interface Run {
  /** ISO 8601. */
  readonly at: string
  readonly commit: string
  readonly machine: string
  /** Load average of the minute before. */
  readonly load: Figure
  /** Number of payments. */
  readonly events: number
  readonly rows: readonly Row[]
}

/** Writes a run and returns its file. */
export function keepRun(folder: string, run: Run): string {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${run.at.replaceAll(':', '-')}.json`)
  writeFileSync(file, `${JSON.stringify(run, null, 2)}\n`)
  return file
}

/** All kept runs, newest first. */
export function keptRuns(folder: string): Run[] {
  mkdirSync(folder, { recursive: true })
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .toReversed()
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Run)
}

/** A row and its last value. */
export interface ComparedRow {
  readonly row: Row
  readonly last: number | null
  /** This figure divided by the last. */
  readonly ratio: number | null
}

/** A run compared with earlier ones. */
export interface Comparison {
  readonly rows: readonly ComparedRow[]
  /** Which run it is compared with, or why with none. */
  readonly note: string
}

/**
 * Compares each row with the newest run that has it. Only runs with the same machine, Node version
 * and number of payments count.
 *
 * @param before newest first
 */
export function compare(run: Run, before: readonly Run[]): Comparison {
  const like = before.filter((other) => differenceOf(run, other) === null)
  const rows = run.rows.map((row) => {
    const last = like.map((other) => figureOf(other, row)).find((figure) => figure !== null) ?? null
    const ratio = last === null || typeof row.figure !== 'number' ? null : row.figure / last
    return { row, last, ratio }
  })
  return { rows, note: noteOn(run, before, like) }
}

function figureOf({ rows }: Run, { stage, what, unit }: Row): number | null {
  const same = rows.find((row) => row.stage === stage && row.what === what && row.unit === unit)
  return typeof same?.figure === 'number' ? same.figure : null
}

function noteOn(run: Run, [newest]: readonly Run[], [newestLike]: readonly Run[]): string {
  if (newest === undefined) return 'last: none; this is the first run'
  if (newestLike === undefined) {
    return `not compared: the run of ${newest.at} was ${differenceOf(run, newest)}`
  }
  const { at, commit, load } = newestLike
  const isWhole = run.rows.every((row) => figureOf(newestLike, row) !== null)
  const rest = isWhole ? '' : '; rows that it lacks: the newest run that has them'
  return `last: ${at}, commit ${commit}, load ${load} before${rest}`
}

/** Why the figures of two runs cannot be compared; `null`: they can. */
function differenceOf(run: Run, other: Run): string | null {
  if (other.machine !== run.machine) return `on another machine or Node: ${other.machine}`
  return other.events === run.events ? null : `with ${grouped(other.events)} payments`
}
