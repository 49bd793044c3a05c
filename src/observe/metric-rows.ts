import type { PublishedScores, StageTimers } from './histograms.ts'
import type { MetricRow } from './metric-registry.ts'
import type { ObservedPartition, ObservedWorker } from './observed-worker.ts'
import type { WatchedModel, WatchedTopology } from './observer.ts'

// Parts of the rows in the table of metrics.

export interface MetricSources {
  readonly version: string
  readonly topologies: readonly WatchedTopology[]
  readonly worker: ObservedWorker
  readonly stages: StageTimers
  readonly scores: PublishedScores
  readonly droppedLines: () => number
  /** Routes of requests that the worker answers. */
  readonly requestRoutes: readonly string[]
}

export type Row = Omit<MetricRow<MetricSources>, 'name' | 'type'>

type Make = (name: string, row: Row) => MetricRow<MetricSources>
export const counter: Make = (name, row) => ({ name, type: 'counter', ...row })
export const gauge: Make = (name, row) => ({ name, type: 'gauge', ...row })
export const histogram: Make = (name, row) => ({ name, type: 'histogram', ...row })

type Series = Required<Pick<Row, 'labels' | 'known'>>

export function each(
  labels: readonly string[],
  of: (topology: WatchedTopology) => ReturnType<Series['known']>,
): Series {
  return { labels, known: ({ topologies }) => topologies.flatMap((topology) => of(topology)) }
}

export function withLabel(
  { labels, known }: Series,
  label: string,
  values: readonly string[],
): Series {
  return {
    labels: [...labels, label],
    known: (sources) =>
      known(sources).flatMap((set) => values.map((value) => ({ ...set, [label]: value }))),
  }
}

export function ofLoaded(
  of: (model: WatchedModel) => ReturnType<NonNullable<Row['read']>>,
): Pick<Row, 'read'> {
  return {
    read: ({ topologies }) =>
      topologies.flatMap(({ models, shadows }) => [...models, ...shadows]).flatMap((m) => of(m)),
  }
}

/** Series of each assigned partition. @param of `null`: it has none now */
export function ofPartition(
  of: (partition: ObservedPartition) => number | null,
): Pick<Row, 'labels' | 'read'> {
  return {
    labels: ['topology', 'topic', 'partition'],
    read: ({ worker }) =>
      worker.partitions.flatMap((partition) => {
        const value = of(partition)
        return value === null ? [] : [[labelsAt(partition), value]]
      }),
  }
}

export function labelsAt(of: Pick<ObservedPartition, 'topology' | 'partition'>) {
  return { topology: of.topology, topic: of.partition.topic, partition: of.partition.partition }
}
