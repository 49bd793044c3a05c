import { expect } from 'vitest'
import { samples, watched } from '../observe/events.ts'
import { observedMetrics } from '../observe/observed.ts'
import { promtoolTest } from '../services/prometheus.ts'

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
