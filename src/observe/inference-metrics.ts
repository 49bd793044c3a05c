import type { Observer } from '../runtime/events.ts'
import { byType } from './by-type.ts'
import { type MetricMaker, SHORT } from './metric-maker.ts'
import type { WatchedTopology } from './watched.ts'

const BATCH_RECORDS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]

/** Metrics of the models. */
export function inferenceMetrics(make: MetricMaker, watched: readonly WatchedTopology[]): Observer {
  const info = make.gauge('model_info', {
    help: 'Always 1; the labels describe the model',
    labelNames: ['model', 'version', 'sha256', 'evaluator'],
  })
  const memory = make.gauge('model_memory_bytes', {
    help: 'Memory of a model, estimated from the size of its file; models of the same file may share it',
    labelNames: ['model', 'version'],
  })
  const threads = make.gauge('model_threads', {
    help: 'Threads that run a model, besides the event loop',
    labelNames: ['model', 'version'],
  })
  for (const of of watched.flatMap(({ models, shadows }) => [...models, ...shadows])) {
    const { model, version, sha256, evaluator } = of
    info.set({ model, version, sha256, evaluator }, 1)
    memory.set({ model, version }, of.bytes)
    threads.set({ model, version }, of.threads)
  }
  const runs = watched.flatMap(({ topology, models }) =>
    models.map(({ model, version }) => ({ topology, model, version })),
  )
  const labelNames = ['topology', 'model', 'version'] as const
  const inferences = make.counter('inferences_total', {
    help: 'Rows that a model scored',
    labelNames,
    known: runs,
  })
  const duration = make.histogram('inference_duration_seconds', {
    help: 'Time that a model takes over the rows of one chunk',
    buckets: SHORT,
    labelNames,
    known: runs,
  })
  const batch = make.histogram('inference_batch_records', {
    help: 'Rows of one chunk that a model scored',
    buckets: BATCH_RECORDS,
    labelNames: ['topology', 'model'],
    known: runs.map(({ topology, model }) => ({ topology, model })),
  })
  return byType({
    inference: ({ topology, model, version, rows, durationMs }) => {
      inferences.inc({ topology, model, version }, rows)
      duration.observe({ topology, model, version }, durationMs / 1_000)
      batch.observe({ topology, model }, rows)
    },
  })
}
