import { join } from 'node:path'
import { expect } from 'vitest'
import { asSent, DASHBOARD, RULES, selectorsOf } from '../deploy/expressions.ts'
import { CardFraud } from '../integration/card-fraud.ts'
import { SteadyPayments } from '../integration/steady.ts'
import { twoWorkers } from '../integration/two-workers.ts'
import { samples, watched } from '../observe/events.ts'
import { observedMetrics } from '../observe/observed.ts'
import { until } from '../services/cluster.ts'
import { kafkaTest } from '../services/kafka.ts'
import { Prometheus, promtoolTest } from '../services/prometheus.ts'
import { httpOf } from '../services/tidemark-in-test.ts'
import { ROOT } from '../support/paths.ts'

const ALERTS = join(ROOT, 'deploy/prometheus/alerts.yml')
const PER_SECOND = 200
/** Prometheus reads every second. */
const WINDOW_S = 10

promtoolTest('Prometheus finds nothing wrong with the metrics of a worker', async (promtool) => {
  const check = (metrics: string) => promtool(['check', 'metrics'], metrics)
  const { metrics, observe } = observedMetrics([watched])
  expect(check(await metrics.text())).toEqual([])
  // A lost partition would take away what the others have told.
  const { lost: _, ...others } = samples
  for (const event of Object.values(others)) observe(event)
  const text = await metrics.text()
  expect(text).toContain(
    'tidemark_restored_records_total{topology="card-fraud",topic="payments"} 60',
  )
  expect(check(text)).toEqual([])
  // It does look.
  expect(check(`${text}# TYPE oddity_total gauge\noddity_total 1\n`).join()).toContain(
    'oddity_total',
  )
})

promtoolTest('each alert fires in its scenario, and none in a healthy day', (promtool) => {
  expect(promtool(['check', 'rules', ALERTS])).toEqual([])
  expect(promtool(['test', 'rules', join(ROOT, 'test/deploy/alerts.test.yml')])).toEqual([])
})

kafkaTest(
  'beside two workers, Prometheus has data for every expression of alerts and dashboard',
  async (kafka) => {
    // What alerts compare is empty while all is well, so their series are asked for.
    const selected = RULES.flatMap(({ expr }) => selectorsOf(expr)).map(({ text }) => text)
    const shown = DASHBOARD.panels.flatMap(({ targets = [] }) => targets)
    const expressions = [...selected, ...shown.map(({ expr }) => asSent(expr, WINDOW_S))]
    const cards = await CardFraud.on(kafka)
    try {
      const run = await twoWorkers(cards, '--http-port', '0')
      const target = new URL(await httpOf(run)).host
      const prometheus = await Prometheus.reading(target, ALERTS)
      const payments = new SteadyPayments(cards, PER_SECOND)
      let missing = [...new Set(expressions)]
      expect(missing.length).toBeGreaterThan(50)
      const isAllThere = async () => {
        const values = await Promise.all(missing.map((expr) => prometheus.values(expr)))
        missing = missing.filter((_, i) => values[i]?.every(Number.isNaN))
        return missing.length === 0
      }
      await until('data for all', isAllThere).catch(() => expect(missing).toEqual([]))
      const health = await prometheus.healthOfRules()
      expect(health).toEqual(new Map(RULES.map(({ alert, record }) => [alert ?? record, 'ok'])))
      await payments.stop()
    } finally {
      await cards.close()
    }
  },
)
