import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packageVersion } from '../../kernel/node.ts'
import { PACKAGE } from '../package-root.ts'
import { type Colors, count, plural } from '../print.ts'
import { LATE_MIN } from './board.ts'
import type { Figures } from './figures.ts'
import { BROKEN_RECORDS } from './flights.ts'
import { percent, tenths } from './text.ts'
import { aucOf, lateShare, type Verdict } from './verdicts.ts'

// The texts before and after the demo's lines.

/** What {@link opening} tells. */
export interface Opening {
  readonly records: number
  /** How long the demo takes, s; 0: as fast as possible. */
  readonly seconds: number
  /** The outline of the topology. */
  readonly topology: string
}

/** The text before the demo. */
export function opening({ records, seconds, topology }: Opening, c: Colors): string {
  const time = seconds === 0 ? 'as fast as possible' : `in ${plural(seconds, 'second')}`
  return [
    `${c.bold(`tidemark ${packageVersion()} demo`)}: real flights, each scored as it leaves.`,
    'No Kafka, no Docker: the worker that runs on Kafka, on records in memory.',
    '',
    `  ${topology}`,
    '',
    `Two weeks out of New York, December 2013: ${count(records)} events ${time}.`,
    `Will a flight arrive late, by more than ${LATE_MIN} minutes? Here are a few, and how they`,
    'landed. Three broken records are mixed in on purpose:',
    `${BROKEN_RECORDS}.`,
    c.dim('Times are those of New York. Ctrl-C ends it early.'),
    '',
  ].join('\n')
}

/** What {@link ending} tells. */
export interface Results {
  readonly figures: Figures
  /** `5 in = 3 scored + 2 skipped + 0 late + 0 dead` */
  readonly tally: string
  readonly verdicts: readonly Verdict[]
  readonly tookMs: number
}

/** The text after the demo: the results, and what to do next. */
export function ending(results: Results, c: Colors): string {
  const rows = [...consumed(results), ...quality(results.verdicts)]
  const lines = rows.map(([name, text]) => `  ${c.dim(name.padEnd(7))}  ${text}`)
  return ['', ...lines, '', ...next(c)].join('\n')
}

type Row = readonly [name: string, text: string]

/** The records consumed, their outcomes, and the speed. */
function consumed({ figures, tally, verdicts, tookMs }: Results): Row[] {
  const { smallest, largest, mean } = figures.batches
  const { p50, p99 } = figures.batchMs
  const perSecond = count(Math.round((figures.records * 1_000) / tookMs))
  const busy = count(Math.round(figures.perBusySecond))
  const flights = plural(figures.predictions, 'predicted flight')
  const late = verdicts.filter(({ wasLate }) => wasLate).length
  const share = percent(late / Math.max(verdicts.length, 1))
  return [
    ['events', tally],
    ['', '(skipped: landings; they enter the windows but are not scored)'],
    [
      'speed',
      `${perSecond} events/s over ${tenths(tookMs / 1_000)} s; ${busy}/s while the worker was busy`,
    ],
    ['score', `p50 ${tenths(p50)} ms, p99 ${tenths(p99)} ms per batch`],
    ['batches', `${smallest} to ${largest} flights, ${tenths(mean)} on average`],
    ['landed', `${count(verdicts.length)} of ${flights}; ${count(late)} of them late (${share})`],
  ]
}

/** How good the predictions were, for flights that have landed. */
function quality(verdicts: readonly Verdict[]): Row[] {
  const auc = aucOf(verdicts)
  if (auc === null) return [['model', 'too few flights have landed to rate it']]
  const lateOf = (said: string, share: number | null): Row[] =>
    share === null
      ? []
      : [['', `of 100 flights given ${said}, ${Math.round(share * 100)} were late`]]
  return [
    ['model', `AUC ${auc.toFixed(3)} on what landed (0.5 is a guess, 1 is never wrong)`],
    ...lateOf('70 % or more', lateShare(verdicts, [0.7, 1.01])),
    ...lateOf('under 20 %', lateShare(verdicts, [0, 0.2])),
  ]
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
