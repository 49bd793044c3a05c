import { columnsOf } from '../../../src/topology/aggregates.ts'
import type {
  EventFunction,
  FeatureDefinition,
  FeaturesStep,
  KindDefinition,
  ValueForm,
} from '../../../src/topology/definition.ts'
import type { OnLate } from '../../../src/topology/source.ts'
import { naiveAggregate } from './naive-aggregates.ts'

// The rows of a features step, by looking through everything that ever arrived, again for each
// event.

/** An event of one partition, as it arrives. */
export interface Arrival {
  readonly key: string
  readonly timeMs: number
  readonly event: unknown
}

export interface NaiveOptions {
  /** Watermark = largest event time − lag. */
  readonly lagMs: number
  readonly onLate: OnLate
  /** The rows of a table by key; needed where the step has lookup features. */
  readonly lookup?: (table: string) => ReadonlyMap<string, unknown>
}

export interface NaiveResult<Row = Float32Array> {
  readonly late: boolean
  /**
   * In the order of `step.features`; `null` for a late event unless `onLate` is `score`, and for one
   * that lacks a column's value.
   */
  readonly row: Row | null
}

/** The input of one row. */
interface Scene {
  readonly step: FeaturesStep
  readonly options: NaiveOptions
  readonly now: Arrival
  /** Arrivals of the same key that entered the windows before this one, in log order. */
  readonly earlier: readonly Arrival[]
  readonly late: boolean
  /** Before this arrival. It prunes nothing that a punctual event can see. */
  readonly watermarkMs: number
}

/**
 * The answer for each event of one partition, in log order. An event of another kind than a `value`
 * or `lookup` feature's has NaN there.
 */
export function naiveFeatures(
  step: FeaturesStep,
  options: NaiveOptions,
  events: readonly Arrival[],
): NaiveResult[] {
  return unroundedFeatures(step, options, events).map(({ late, row }) => {
    return { late, row: row && Float32Array.from(row) }
  })
}

export function unroundedFeatures(
  step: FeaturesStep,
  options: NaiveOptions,
  events: readonly Arrival[],
): NaiveResult<readonly number[]>[] {
  const entered: Arrival[] = []
  return events.map((now, at) => {
    const before = events.slice(0, at)
    const newestMs = before.reduce((newest, e) => Math.max(newest, e.timeMs), -Infinity)
    const watermarkMs = newestMs - options.lagMs
    const late = now.timeMs < watermarkMs
    const earlier = entered.filter((e) => e.key === now.key)
    const isDead = step.features.some((f) => lacksColumn(f, kindAt(step, f.kind), now))
    if (!late && !isDead) entered.push(now)
    if (isDead || (late && options.onLate !== 'score')) return { late, row: null }
    const scene: Scene = { step, options, now, earlier, late, watermarkMs }
    return { late, row: step.features.map((f) => featureOf(f, scene)) }
  })
}

/** Does a column that a feature takes throw? */
function lacksColumn(feature: FeatureDefinition, kind: KindDefinition, now: Arrival): boolean {
  if (!isOf(kind, now)) return false
  const names = 'aggregate' in feature ? columnsOf(feature.aggregate) : []
  const columns = names.map((name) => kind.columns[name] as EventFunction<unknown>)
  if (feature.from === 'value') columns.push(feature.of)
  return columns.some((of) => {
    try {
      of(now.event)
      return false
    } catch {
      return true
    }
  })
}

function featureOf(feature: FeatureDefinition, scene: Scene): number {
  const kind = kindAt(scene.step, feature.kind)
  const { event } = scene.now
  switch (feature.from) {
    case 'value':
      return isOf(kind, scene.now) ? valueOf(feature, feature.of(event)) : Number.NaN
    case 'lookup': {
      if (!isOf(kind, scene.now)) return Number.NaN
      const key = feature.key(event)
      const row = key === null ? undefined : scene.options.lookup?.(feature.table).get(key)
      return row === undefined ? Number.NaN : feature.of(row)
    }
    case 'sinceLast': {
      const { timeMs } = scene.now
      const floorMs = scene.watermarkMs - retentionMs(feature.kind, scene)
      const afterMs = Math.max(timeMs - feature.lengthMs, floorMs)
      const times = rememberedTimes(feature.kind, scene).filter((t) => t > afterMs && t <= timeMs)
      return times.length === 0 ? feature.empty : (timeMs - Math.max(...times)) / 1_000
    }
    case 'sinceLastEver': {
      const times = rememberedTimes(feature.kind, scene).filter((t) => t <= scene.now.timeMs)
      if (times.length === 0) return feature.never
      const sinceMs = scene.now.timeMs - Math.max(...times)
      return Math.min(sinceMs, feature.capMs ?? Infinity) / 1_000
    }
    case 'rolling':
      return naiveAggregate(feature, kind, {
        events: windowOf(feature, scene),
        timeMs: scene.now.timeMs,
        own: isOf(kind, scene.now) ? event : null,
      })
    case 'tumbling': {
      const isCurrent = feature.which === 'current'
      const of = isCurrent ? currentWindow : lastClosedWindow
      const events = of(feature.kind, feature.lengthMs, scene)
      const startMs = startOf(events[0]?.timeMs ?? 0, feature.lengthMs)
      const timeMs = isCurrent ? scene.now.timeMs : startMs + feature.lengthMs
      return naiveAggregate(feature, kind, { events, timeMs })
    }
  }
}

/** The events of a kind, of the key's, that have arrived, this one included unless it is late. */
function arrivedOf(kind: number, scene: Scene): Arrival[] {
  const arrived = scene.late ? scene.earlier : [...scene.earlier, scene.now]
  return arrived.filter((e) => isOf(kindAt(scene.step, kind), e))
}

/**
 * The events in the window that this event falls in, up to its own time; none once the window is
 * closed.
 */
function currentWindow(kind: number, lengthMs: number, scene: Scene): Arrival[] {
  const { timeMs } = scene.now
  const startMs = startOf(Math.max(timeMs, scene.watermarkMs), lengthMs)
  return arrivedOf(kind, scene).filter((e) => e.timeMs >= startMs && e.timeMs <= timeMs)
}

/** The events in the newest closed window that has any, by the watermark after this event. */
function lastClosedWindow(kind: number, lengthMs: number, scene: Scene): Arrival[] {
  const watermarkMs = Math.max(scene.watermarkMs, scene.now.timeMs - scene.options.lagMs)
  const all = arrivedOf(kind, scene)
  const closed = all.filter((e) => startOf(e.timeMs, lengthMs) + lengthMs <= watermarkMs)
  const newestMs = Math.max(...closed.map((e) => startOf(e.timeMs, lengthMs)))
  return closed.filter((e) => startOf(e.timeMs, lengthMs) === newestMs)
}

function startOf(timeMs: number, lengthMs: number): number {
  return timeMs - (((timeMs % lengthMs) + lengthMs) % lengthMs)
}

function valueOf({ form }: { form?: ValueForm }, value: unknown): number {
  if (form === undefined) return value as number
  if (form.is === 'code') {
    const place = form.words.indexOf(value as string)
    return place < 0 ? form.unknown : place
  }
  const local = new Date((value as number) + form.offsetMs)
  return form.is === 'hourOfDay' ? local.getUTCHours() : local.getUTCDay() || 7
}

/** The events of a kind in (t − length, t], this one included unless it is late, or not asked for. */
function windowOf({ kind, lengthMs, before }: Rolling, scene: Scene): Arrival[] {
  const { timeMs } = scene.now
  const longestMs = Math.max(...lengthsOf(kind, 'rolling', scene))
  const afterMs = Math.max(timeMs - lengthMs, scene.watermarkMs - longestMs)
  return arrivedOf(kind, scene).filter(
    (e) => e.timeMs > afterMs && e.timeMs <= timeMs && !(before && e === scene.now),
  )
}

/** Event times that outlive the windows: those not pruned, and of the pruned ones the largest. */
function rememberedTimes(kind: number, scene: Scene): number[] {
  const times = scene.earlier.filter((e) => isOf(kindAt(scene.step, kind), e)).map((e) => e.timeMs)
  const upToMs = prunedUpToMs(kind, scene)
  const pruned = times.filter((t) => t <= upToMs)
  const kept = times.filter((t) => t > upToMs)
  return pruned.length === 0 ? kept : [...kept, Math.max(...pruned)]
}

/** The newest event time that no punctual event can see any more in a window of the kind. */
function prunedUpToMs(kind: number, scene: Scene): number {
  const { watermarkMs } = scene
  const rolling = watermarkMs - Math.max(0, ...lengthsOf(kind, 'rolling', scene))
  if (watermarkMs === Number.NEGATIVE_INFINITY) return watermarkMs
  const tumbling = lengthsOf(kind, 'tumbling', scene).map((ms) => startOf(watermarkMs, ms) - 1)
  return Math.min(rolling, ...tumbling)
}

/** How long a key of a kind is remembered whatever else is forgotten. */
function retentionMs(kind: number, scene: Scene): number {
  const of = (from: OverWindow) => lengthsOf(kind, from, scene)
  return Math.max(0, ...of('rolling'), ...of('tumbling'), ...of('sinceLast'))
}

type Rolling = Extract<FeatureDefinition, { from: 'rolling' }>

type OverWindow = 'rolling' | 'tumbling' | 'sinceLast'

function lengthsOf(kind: number, from: OverWindow, scene: Scene): number[] {
  return scene.step.features.flatMap((f) =>
    f.from === from && f.kind === kind ? [f.lengthMs] : [],
  )
}

function isOf(kind: KindDefinition, arrival: Arrival): boolean {
  const isAny = kind.is === null || kind.is(arrival.event)
  const needed = kind.has === undefined ? 0 : kind.columns[kind.has]?.(arrival.event)
  if (needed === null || needed === undefined || Number.isNaN(needed)) return false
  return isAny && (kind.where === undefined || kind.where.of(arrival.event) === true)
}

function kindAt(step: FeaturesStep, index: number): KindDefinition {
  const kind = step.kinds[index]
  if (kind === undefined) throw new Error(`no kind ${index}`)
  return kind
}
