import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packageVersion } from '../../kernel/node.ts'
import type { Durations } from '../../observe/histograms.ts'
import type { EventOf } from '../../observe/observer.ts'
import { PACKAGE } from '../own-package.ts'
import { type Colors, grouped, plural } from '../print.ts'
import {
  aucOf,
  BROKEN_RECORDS,
  type Departure,
  type FlightEvent,
  LATE_MIN,
  type Landing,
  type Verdict,
} from './flights.ts'

// The text of the demo. A line about a flight fits into 80 columns.

const newYork = new Intl.DateTimeFormat('en-US', {
  timeZone: 'America/New_York',
  month: 'short',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
})

export function newYorkTime(ms: number): string {
  return newYork.format(ms).replace(',', '')
}

/** `Dec 05 12:41  UA1545  EWR→IAH  left 12 min late     71 % to arrive late` */
export function departureLine(departure: Departure, chance: number, c: Colors): string {
  const said = c.bold(`${percent(chance).padStart(5)} to arrive late`)
  return `${flightColumns(departure, `left ${delay(departure.depDelayMin)}`, c)}${said}`
}

/** `Dec 05 15:02  UA1545  EWR→IAH  landed 34 min late  ✓ late (said 71 %)` */
export function landingLine(landing: Landing, { said, wasLate }: Verdict, c: Colors): string {
  const mark = said >= 0.5 === wasLate ? c.green('✓') : c.red('✗')
  const verdict = `${mark} ${wasLate ? 'late' : 'on time'} (said ${percent(said)})`
  return `${flightColumns(landing, `landed ${delay(landing.arrDelayMin)}`, c)}${verdict}`
}

function flightColumns(event: FlightEvent, what: string, c: Colors): string {
  const name = `${event.carrier}${event.flight}`.padEnd(6)
  const route = `${event.origin}→${event.dest}`
  return `${c.dim(newYorkTime(event.at))}  ${name}  ${route}  ${what.padEnd(20)} `
}

function delay(minutes: number): string {
  if (minutes === 0) return 'on time'
  return `${Math.abs(minutes)} min ${minutes < 0 ? 'early' : 'late'}`
}

export function deadLetterLine({ code, message, at }: EventOf<'dead-letter'>, c: Colors): string {
  return `${c.red('✗')} dead letter ${at}  ${c.bold(code)}\n  ${c.dim(message)}`
}

export interface Snapshot {
  readonly seconds: number
  readonly perSecond: number
  readonly watermarkMs: number
  readonly lag: number
  readonly predictions: number
  readonly deadLetters: number
  readonly batchMs: Pick<Durations, 'quantileMs'>
}

/** `Dec 05 12:41  545/s  watermark −10m  lag 0 …`: as many parts as fit. */
export function statusLine(snapshot: Snapshot, nowMs: number, columns: number): string {
  const { perSecond, watermarkMs, lag, batchMs, deadLetters, predictions } = snapshot
  const parts = [
    newYorkTime(nowMs),
    `${Math.round(perSecond)}/s`,
    `watermark ${behind(nowMs - watermarkMs)}`,
    `lag ${lag}`,
    `score ${scoreTimes(batchMs)}`,
    `${deadLetters} dead`,
    `${grouped(predictions)} predictions`,
  ]
  let line = ''
  for (const part of parts) {
    const longer = line === '' ? part : `${line}  ${part}`
    if (longer.length > columns) break
    line = longer
  }
  return line
}

function scoreTimes(batchMs: Snapshot['batchMs']): string {
  return `p50 ${tenths(batchMs.quantileMs(0.5))} p99 ${tenths(batchMs.quantileMs(0.99))} ms`
}

function behind(ms: number): string {
  if (!Number.isFinite(ms)) return '–'
  const minutes = ms / 60_000
  return minutes < 120 ? `−${Math.round(minutes)}m` : `−${tenths(minutes / 60)}h`
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

/** One decimal below 10, otherwise none; `–` if not finite. */
function tenths(n: number): string {
  return Number.isFinite(n) ? n.toFixed(n < 10 ? 1 : 0) : '–'
}

interface Opening {
  readonly records: number
  readonly seconds: number
  readonly topology: string
}

export function opening({ records, seconds, topology }: Opening, c: Colors): string {
  const time = seconds === 0 ? 'as fast as possible' : `in ${plural(seconds, 'second')}`
  return [
    `${c.bold(`tidemark ${packageVersion()} demo`)}: real flights, each scored as it leaves.`,
    'No Kafka, no Docker: the worker that runs on Kafka, on records in memory.',
    '',
    `  ${topology}`,
    '',
    `Two weeks out of New York, December 2013: ${grouped(records)} events ${time}.`,
    `Will a flight arrive late, by more than ${LATE_MIN} minutes? Here are a few, and how they`,
    'landed. Three broken records are mixed in on purpose:',
    `${BROKEN_RECORDS}.`,
    c.dim('Times are those of New York. Ctrl-C ends it early.'),
    '',
  ].join('\n')
}

interface Results {
  /** `5 in = 3 scored + 2 skipped + 0 late + 0 dead` */
  readonly tally: string
  readonly verdicts: readonly Verdict[]
}

export function ending(figures: Snapshot, { tally, verdicts }: Results, c: Colors): string {
  const rows: (readonly [name: string, text: string])[] = [
    ['events', tally],
    ['', '(skipped: landings; they enter the windows but are not scored)'],
    [
      'speed',
      `${grouped(Math.round(figures.perSecond))} events/s over ${tenths(figures.seconds)} s`,
    ],
    ['score', `${scoreTimes(figures.batchMs)} per batch`],
    ['landed', landed(verdicts, figures.predictions)],
    ['model', quality(verdicts)],
  ]
  const lines = rows.map(([name, text]) => `  ${c.dim(name.padEnd(7))}  ${text}`)
  return ['', ...lines, '', ...next(c)].join('\n')
}

function landed(verdicts: readonly Verdict[], predictions: number): string {
  const late = verdicts.filter(({ wasLate }) => wasLate).length
  const share = percent(late / Math.max(verdicts.length, 1))
  const flights = plural(predictions, 'predicted flight')
  return `${grouped(verdicts.length)} of ${flights}; ${grouped(late)} of them late (${share})`
}

function quality(verdicts: readonly Verdict[]): string {
  const auc = aucOf(verdicts)
  return Number.isNaN(auc)
    ? 'too few flights have landed to rate it'
    : `AUC ${auc.toFixed(3)} on what landed (0.5 is a guess, 1 is never wrong)`
}

function next(c: Colors): string[] {
  const file = (name: string) => relative(process.cwd(), fileURLToPath(new URL(name, PACKAGE)))
  const topology = file('topologies/card-fraud.ts')
  return [
    'Next:',
    `  npx tidemark dev ${topology} < ${file('topologies/samples/payments.tsv')}`,
    '  npx tidemark init my-topology',
    c.dim(`  ${file('README.md')} has the rest`),
  ]
}
