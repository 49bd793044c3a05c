import type { TroubleKind, TroubleReport } from '../runtime/troubles.ts'
import type { PublishedScores } from './histograms.ts'
import type { MetricRow } from './metric-registry.ts'
import type { ObservedPartition, ObservedWorker } from './observed-worker.ts'
import type { WatchedModel, WatchedTopology } from './observer.ts'

// Parts of the rows in the table of metrics.

export interface MetricSources {
  readonly version: string
  readonly topologies: readonly WatchedTopology[]
  readonly worker: ObservedWorker
  readonly scores: PublishedScores
  readonly droppedLines: () => number
  /** Routes of requests that the worker answers. */
  readonly requestRoutes: readonly string[]
}

export type UnnamedRow = Omit<MetricRow<MetricSources>, 'name' | 'type'>

type Make = (name: string, row: UnnamedRow) => MetricRow<MetricSources>
export const counter: Make = (name, row) => ({ name, type: 'counter', ...row })
export const gauge: Make = (name, row) => ({ name, type: 'gauge', ...row })
export const histogram: Make = (name, row) => ({ name, type: 'histogram', ...row })

type Series = Required<Pick<UnnamedRow, 'labels' | 'labelSets'>>

/** Series of each topology. @param read what has the labels besides that of the topology */
export function each<L extends string>(
  labels: readonly L[],
  read: (topology: WatchedTopology) => readonly Readonly<Record<Exclude<L, 'topology'>, string>>[],
): Series {
  const setsOf = (watched: WatchedTopology) =>
    read(watched).map((found) => picked({ topology: watched.topology, ...found }, labels))
  return { labels, labelSets: ({ topologies }) => topologies.flatMap(setsOf) }
}

function picked(source: object, labels: readonly string[]) {
  const fields = source as Readonly<Record<string, string | number>>
  return Object.fromEntries(labels.map((label) => [label, fields[label] as string | number]))
}

export function withLabel(
  { labels, labelSets }: Series,
  label: string,
  values: readonly (string | number)[],
): Series {
  return {
    labels: [...labels, label],
    labelSets: (sources) =>
      labelSets(sources).flatMap((set) => values.map((value) => ({ ...set, [label]: value }))),
  }
}

/** Series of each model that is loaded. */
export function ofLoaded(
  labels: readonly (keyof WatchedModel)[],
  read: (model: WatchedModel) => number,
): Pick<UnnamedRow, 'labels' | 'read'> {
  return {
    labels,
    read: ({ topologies }) =>
      topologies
        .flatMap(({ models, shadows }) => [...models, ...shadows])
        .map((model) => [picked(model, labels), read(model)]),
  }
}

/** Series of each assigned partition. @param read `null`: it has none now */
export function ofPartition(
  read: (partition: ObservedPartition) => number | null,
): Pick<UnnamedRow, 'labels' | 'read'> {
  return {
    labels: ['topology', 'topic', 'partition'],
    read: ({ worker }) =>
      worker.partitions.flatMap((partition) => {
        const value = read(partition)
        return value === null ? [] : [[labelsAt(partition), value]]
      }),
  }
}

export function labelsAt(place: Pick<ObservedPartition, 'topology' | 'partition'>) {
  const { topology, partition } = place
  return { topology, topic: partition.topic, partition: partition.partition }
}

/** Makes a gauge 1 while there is trouble of a kind. */
export function whileTrouble(kind: TroubleKind): Required<Pick<UnnamedRow, 'on'>> {
  const valueOf = ({ reason }: TroubleReport) => (reason === null ? 0 : 1)
  return { on: { trouble: (trouble) => (trouble.kind === kind ? valueOf(trouble) : null) } }
}

/** A parent tells those of its workers that they cannot tell themselves. */
export const TROUBLE = {
  name: 'trouble',
  type: 'gauge',
  help: 'Troubles of a kind that go on now',
  labels: ['kind'],
} as const
