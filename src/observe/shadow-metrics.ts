import type { Observer } from '../runtime/events.ts'
import { byType } from './by-type.ts'
import type { MetricMaker } from './metric-maker.ts'
import type { WatchedTopology } from './watched.ts'

const LABELS = ['topology', 'step', 'model'] as const
const OUTCOMES = ['scored', 'failed', 'dropped'] as const
const WRITTEN = ['written', 'dropped'] as const
const QUANTILES = ['p1', 'p5', 'p50', 'p95', 'p99'] as const
/** Values of the label `statistic`, with what events call them. */
const DIFFERENCES = [
  ['mean', 'mean'],
  ['absolute_mean', 'absoluteMean'],
  ...QUANTILES.map((name) => [name, name] as const),
] as const

/** Metrics of shadows: what they score, and how far they agree with what is published. */
export function shadowMetrics(make: MetricMaker, watched: readonly WatchedTopology[]): Observer {
  const known = watched.flatMap(({ topology, shadows }) =>
    shadows.map(({ step, model }) => ({ topology, step, model })),
  )
  const rows = make.counter('shadow_rows_total', {
    help: 'Rows for a shadow; dropped: it was behind, hangs, or is off',
    labelNames: [...LABELS, 'outcome'],
    known: known.flatMap((of) => OUTCOMES.map((outcome) => ({ ...of, outcome }))),
  })
  const outputs = make.counter('shadow_outputs_total', {
    help: 'Outputs of a shadow; dropped: they could not be written in time',
    labelNames: [...LABELS, 'outcome'],
    known: known.flatMap((of) => WRITTEN.map((outcome) => ({ ...of, outcome }))),
  })
  const difference = make.gauge('shadow_difference', {
    help: "A shadow's scores minus the published ones, since the start",
    labelNames: [...LABELS, 'statistic'],
    known: known.flatMap((of) => DIFFERENCES.map(([statistic]) => ({ ...of, statistic }))),
  })
  const psi = make.gauge('shadow_psi', {
    help: 'Population stability index of published scores and those of a shadow; 0 at first',
    labelNames: LABELS,
    known,
  })
  return byType({
    'shadow-rows': ({ topology, step, model, ...counts }) => {
      for (const outcome of OUTCOMES) rows.inc({ topology, step, model, outcome }, counts[outcome])
    },
    'shadow-outputs': ({ topology, step, model, ...counts }) => {
      for (const outcome of WRITTEN) {
        outputs.inc({ topology, step, model, outcome }, counts[outcome])
      }
    },
    'shadow-agreement': ({ topology, step, model, ...agreement }) => {
      const of = { topology, step, model }
      for (const [statistic, name] of DIFFERENCES) {
        difference.set({ ...of, statistic }, agreement.difference[name])
      }
      if (agreement.psi !== null) psi.set(of, agreement.psi)
    },
  })
}
