import { Command, InvalidArgumentError } from 'commander'
import type { ReadStart } from '../connect/kafka/reader.ts'
import { withKafka } from '../host/services.ts'
import { CLUSTER_SETTINGS } from '../host/settings.ts'
import { compareTopics, type TopicComparison } from '../jobs/compare/compare.ts'
import { type ModelPair, type Side } from '../jobs/compare/pairs.ts'
import { describeParity, signed } from '../jobs/compare/parity-text.ts'
import { openShower } from '../jobs/shown-records.ts'
import { grouped, plural, table } from '../kernel/wording.ts'
import type { HistogramBin } from '../scoring/parity.ts'
import { numberParser, parseCount } from './arguments.ts'
import { addSettings, readConfig } from './config.ts'
import { FROM, parsePoint } from './consume.ts'
import { withSignal } from './exit.ts'
import { bar, readerGone, sayNotes, writeResult } from './print.ts'
import { TERMINAL } from './progress.ts'

interface Flags extends Record<string, unknown> {
  readonly field: Fields
  readonly from: ReadStart
  readonly max?: number
  readonly maxPending: number
  readonly threshold: number
  readonly byClock?: true
  readonly json?: true
}

type Fields = Readonly<Record<Side, string>>

/** About 200 MB. */
const MOST_PENDING = 500_000
const BINS = 11

export function compare(): Command {
  const command = new Command('compare')
    .description(
      'compare the scores that two topics have for the same events, such as predictions and those of a shadow; reads what is there now and commits no offsets',
    )
    .argument('<main>', 'topic of predictions')
    .argument('<other>', 'topic of a shadow, or of other predictions from the same source')
    .requiredOption(
      '--field <path>',
      'the score in the value of a record, such as probability; if it has another place in the other topic, probability=score.probability',
      parseFields,
    )
    .option('--from <place>', FROM, parsePoint, 'earliest')
    .option('--max <n>', 'stop after so many pairs (default: all)', parseCount)
    .option(
      '--threshold <score>',
      'from which score on an event is positive, to count flips',
      numberParser('a number', Number.isFinite),
      0.5,
    )
    .option('--by-clock', 'compare also outputs whose model the wall clock has decided')
    .option(
      '--max-pending <n>',
      'most events to remember, while their other output may come',
      parseCount,
      MOST_PENDING,
    )
    .option('--json', 'write JSON')
    .action(async (main: string, other: string, flags: Flags) => {
      const config = readConfig(CLUSTER_SETTINGS, flags)
      const { field: fields, from, threshold, maxPending: mostPending, byClock = false } = flags
      const show = await openShower(config)
      await withSignal(async (stop) => {
        const job = {
          ...{ names: { main, other }, fields, from, threshold, mostPending, show, stop },
          ...{ withByClock: byClock, mostPairs: flags.max ?? Number.POSITIVE_INFINITY },
        }
        const comparison = await withKafka(config, (records) =>
          compareTopics({ ...job, records, report: TERMINAL }),
        )
        sayNotes(notesOf(comparison, flags))
        await writeResult(flags.json, plainComparison(comparison), describeComparison(comparison))
      }, readerGone)
    })
  return addSettings(command, CLUSTER_SETTINGS)
}

function notesOf({ topics, pairs }: TopicComparison, { maxPending }: Flags): string[] {
  const { main, other } = topics
  const notes: string[] = []
  const early = `stopped early: ${plural(pairs.waiting, 'output')} had no other one yet`
  const unpaired = `no output of ${main.topic} has the event of one of ${other.topic}: do both come from the same source topic, and the same time?`
  const alone = `${plural(pairs.givenUp, 'output')} counted as alone, because no other one came within ${grouped(maxPending)} events; if the topics are further apart, raise --max-pending`
  if (pairs.waiting > 0) notes.push(early)
  if (pairs.count === 0 && main.records > 0 && other.records > 0) notes.push(unpaired)
  if (pairs.givenUp > 0) notes.push(alone)
  return notes
}

export function parseFields(text: string): Fields {
  const [main = '', other = main, ...more] = text.split('=')
  if (main !== '' && other !== '' && more.length === 0) return { main, other }
  throw new InvalidArgumentError('must be a path, such as score.probability, or PATH=PATH')
}

export function plainComparison({ topics, pairs }: TopicComparison) {
  return {
    main: plainSide('main', { topics, pairs }),
    other: plainSide('other', { topics, pairs }),
    pairs: pairs.count,
    byClock: pairs.byClock,
    givenUp: pairs.givenUp,
    models: pairs.models.map(({ main, other, parity }) => ({
      ...{ main, other },
      ...parity.result,
      histogram: parity.histogram(BINS),
    })),
  }
}

function plainSide(side: Side, { topics, pairs }: TopicComparison) {
  const { topic, records, unusable } = topics[side]
  return { topic, records, alone: pairs.alone[side], twice: pairs.twice[side], ...unusable }
}

export function describeComparison(comparison: TopicComparison): string {
  const { pairs } = comparison
  const left =
    pairs.byClock === 0 ? '' : `, ${grouped(pairs.byClock)} decided by the clock left out`
  const lines = [
    ...table([
      ['', 'records', 'alone', 'twice', 'without id', 'without score'],
      ...[plainSide('main', comparison), plainSide('other', comparison)].map((side) => [
        side.topic,
        ...[side.records, side.alone, side.twice, side.withoutId, side.withoutScore].map(grouped),
      ]),
    ]),
    '',
    `${plural(pairs.count, 'pair')}${left}`,
    ...pairs.models.flatMap(describeModels),
  ]
  return `${lines.join('\n')}\n`
}

function describeModels({ main, other, parity }: ModelPair): string[] {
  const { result } = parity
  return [
    '',
    `${other} minus ${main}, ${plural(result.pairs, 'pair')}`,
    ...describeParity(result),
    ...histogramOf(parity.histogram(BINS)),
  ]
}

/** The outermost bars also count the pairs beyond them. */
function histogramOf(bins: readonly HistogramBin[]): string[] {
  if (bins.length === 0) return []
  const most = Math.max(...bins.map((bin) => bin.count))
  const lines = table(
    [
      ['  difference', 'pairs'],
      ...bins.map((bin, i) => [`  ${rangeOf(bin, i, bins.length)}`, grouped(bin.count)]),
    ],
    ['', ...bins.map(({ count }) => bar(count / most))],
  )
  return ['', ...lines]
}

function rangeOf({ from, to }: HistogramBin, i: number, bins: number): string {
  if (i === 0) return `below ${signed(to)}`
  if (i === bins - 1) return `${signed(from)} or more`
  return `${signed(from)} to ${signed(to)}`
}
