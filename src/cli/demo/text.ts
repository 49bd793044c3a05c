import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PACKAGE } from '../../host/own-package.ts'
import type { OutcomeTally } from '../../jobs/outcome-tally.ts'
import { packageVersion } from '../../kernel/node.ts'
import { grouped, plural } from '../../kernel/wording.ts'
import type { EventOf } from '../../observe/observer.ts'
import { type Colors, colors } from '../print.ts'
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

function flightColumns(event: FlightEvent, state: string, c: Colors): string {
  const name = `${event.carrier}${event.flight}`.padEnd(6)
  const route = `${event.origin}→${event.dest}`
  return `${c.dim(newYorkTime(event.at))}  ${name}  ${route}  ${state.padEnd(20)} `
}

function delay(minutes: number): string {
  if (minutes === 0) return 'on time'
  return `${Math.abs(minutes)} min ${minutes < 0 ? 'early' : 'late'}`
}

export function deadLetterLine({ code, message, at }: EventOf<'dead-letter'>): string {
  const { red, bold, dim } = colors
  return `${red('✗')} dead letter ${at}  ${bold(code)}\n  ${dim(message)}`
}

/** `Dec 05 12:41  paced 545/s  1,234 predictions` */
export function statusLine(
  nowMs: number,
  { word, seconds }: Took,
  tally: Pick<OutcomeTally, 'records' | 'outcomes'>,
): string {
  const rate = Math.round(tally.records / seconds)
  return `${newYorkTime(nowMs)}  ${word} ${rate}/s  ${grouped(tally.outcomes.scored)} predictions`
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

export function opening(records: number, seconds: number, topology: string): string {
  const { bold, dim } = colors
  const time = seconds === 0 ? 'as fast as possible' : `in ${plural(seconds, 'second')}`
  return [
    `${bold(`tidemark ${packageVersion()} demo`)}: real flights, each scored as it leaves.`,
    'No Kafka, no Docker: the worker that runs on Kafka, on records in memory.',
    '',
    `  ${topology}`,
    '',
    `Two weeks out of New York, December 2013: ${grouped(records)} events ${time}.`,
    `Will a flight arrive late, by more than ${LATE_MIN} minutes? Here are a few, and how they`,
    'landed. Three broken records are mixed in on purpose:',
    `${BROKEN_RECORDS}.`,
    dim('Times are those of New York. Ctrl-C ends it early.'),
    '',
  ].join('\n')
}

/** How long it has taken so far, and whether it was held to a rate. */
interface Took {
  readonly seconds: number
  readonly word: 'paced' | 'speed'
}

export function ending(
  { word, seconds }: Took,
  tally: OutcomeTally,
  verdicts: readonly Verdict[],
): string {
  const rate = grouped(Math.round(tally.records / seconds))
  const rows: (readonly [name: string, text: string])[] = [
    ['events', tally.summary()],
    ['', '(skipped: landings; they enter the windows but are not scored)'],
    [word, `${rate} events/s over ${seconds.toFixed(1)} s`],
    ['landed', landed(verdicts, tally.outcomes.scored)],
    ['model', quality(verdicts)],
  ]
  const lines = rows.map(([name, text]) => `  ${colors.dim(name.padEnd(7))}  ${text}`)
  return ['', ...lines, '', ...next()].join('\n')
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

function next(): string[] {
  const file = (name: string) => relative(process.cwd(), fileURLToPath(new URL(name, PACKAGE)))
  const topology = file('topologies/card-fraud.ts')
  return [
    'Next:',
    `  npx tidemark dev ${topology} < ${file('topologies/samples/payments.tsv')}`,
    '  npx tidemark init my-topology',
    colors.dim(`  ${file('README.md')} has the rest`),
  ]
}
