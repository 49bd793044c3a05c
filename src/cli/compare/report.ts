import type { AgreementResult, HistogramBin } from '../../scoring/agreement.ts'
import { bar } from '../bar.ts'
import { count, plural } from '../print.ts'
import { table } from '../table.ts'
import type { ComparedTopic } from './compared-topic.ts'
import type { ModelPair, Pairs, Side } from './pairs.ts'

/** Bars of the histogram of differences. */
const BINS = 11

/** Two topics that have been compared. */
export interface Compared {
  readonly topics: Readonly<Record<Side, ComparedTopic>>
  readonly pairs: Pairs
}

/** What `--json` writes. */
export function plainComparison({ topics, pairs }: Compared) {
  return {
    main: plainSide('main', { topics, pairs }),
    other: plainSide('other', { topics, pairs }),
    pairs: pairs.count,
    byClock: pairs.byClock,
    givenUp: pairs.givenUp,
    models: pairs.models.map(({ main, other, agreement }) => ({
      ...{ main, other },
      ...agreement.result,
      histogram: agreement.histogram(BINS),
    })),
  }
}

function plainSide(side: Side, { topics, pairs }: Compared) {
  const { topic, records, unusable } = topics[side]
  return { topic, records, alone: pairs.alone[side], twice: pairs.twice[side], ...unusable }
}

/** A comparison for people. */
export function describeComparison(compared: Compared): string {
  const { pairs } = compared
  const left = pairs.byClock === 0 ? '' : `, ${count(pairs.byClock)} decided by the clock left out`
  const lines = [
    ...table([
      ['', 'records', 'alone', 'twice', 'without id', 'without score'],
      ...[plainSide('main', compared), plainSide('other', compared)].map((side) => [
        side.topic,
        ...[side.records, side.alone, side.twice, side.withoutId, side.withoutScore].map(count),
      ]),
    ]),
    '',
    `${plural(pairs.count, 'pair')}${left}`,
    ...pairs.models.flatMap(describeModels),
  ]
  return `${lines.join('\n')}\n`
}

function describeModels({ main, other, agreement }: ModelPair): string[] {
  const { result } = agreement
  const { p1, p5, p50, p95, p99 } = result.quantiles
  return [
    '',
    `${other} minus ${main}, ${plural(result.pairs, 'pair')}`,
    `  mean  ${signed(result.meanDifference)}, absolute ${shown(result.meanAbsoluteDifference)}`,
    `  p1 ${signed(p1)}  p5 ${signed(p5)}  p50 ${signed(p50)}  p95 ${signed(p95)}  p99 ${signed(p99)}`,
    ...flipsOf(result),
    ...psiOf(result),
    ...histogramOf(agreement.histogram(BINS)),
  ]
}

function flipsOf({ flips, pairs }: AgreementResult): string[] {
  if (flips === null) return []
  const { threshold, up, down } = flips
  const share = (((up + down) / pairs) * 100).toFixed(2)
  return [`  at ${threshold}: ${count(up)} up, ${count(down)} down, ${share} %`]
}

function psiOf({ psi }: AgreementResult): string[] {
  if (psi === null) return []
  return [`  PSI ${shown(psi.value)}, by chance up to ${shown(psi.byChance)}`]
}

/** The outermost bars stand for all that is beyond. */
function histogramOf(bins: readonly HistogramBin[]): string[] {
  if (bins.length === 0) return []
  const most = Math.max(...bins.map((bin) => bin.count))
  const lines = table([
    ['  difference', 'pairs'],
    ...bins.map((bin, i) => [`  ${rangeOf(bin, i, bins.length)}`, count(bin.count)]),
  ])
  const barOf = (i: number) => bar((bins[i - 1]?.count ?? 0) / most)
  return ['', ...lines.map((line, i) => `${line}  ${barOf(i)}`.trimEnd())]
}

function rangeOf({ from, to }: HistogramBin, i: number, bins: number): string {
  if (i === 0) return `below ${signed(to)}`
  if (i === bins - 1) return `${signed(from)} or more`
  return `${signed(from)} to ${signed(to)}`
}

function signed(x: number): string {
  return x < 0 ? `−${shown(-x)}` : `+${shown(x)}`
}

/** Three significant digits, down to a millionth. */
function shown(x: number): string {
  return String(Number(Number(x.toPrecision(3)).toFixed(6)))
}
