import { configFault, type TidemarkError } from '../../kernel/errors.ts'
import { parseDuration } from '../../kernel/time.ts'
import { suggestName } from '../config.ts'

// The demand on predictions, by flags or by a preset.

type Flag = 'maxLatency' | 'volume' | 'cost' | 'model' | 'topology' | 'input'
export type AdviseFlags = Readonly<Partial<Record<Flag, string>>> & { readonly json?: boolean }

export interface Demand {
  readonly preset: string | undefined
  /** The longest that a score may take; of a batch, also how often it runs. */
  readonly maxLatencyMs: number
  readonly eventsPerDay: number
  /** In the busiest second: {@link PEAK} times the mean. */
  readonly peakPerSecond: number
  /** How much cost matters: `low`, `medium` or `high`. */
  readonly cost: string
  readonly needs: readonly NeedName[]
}

export type NeedName = 'spare' | 'fallback' | 'reuse' | 'cache' | 'ab' | 'audit' | 'drift'

/** Ways to meet a need: in words, then lines of a topology, where no command or worker does. */
export const NEEDS: Readonly<Record<NeedName, readonly [way: string, ...lines: string[]]>> = {
  spare: ['99.99 % leaves 9 s a day: a worker more than the volume needs'],
  fallback: [
    'an event that its model cannot score in time gets the score of rules: docs/several-models.md',
    ".score({ models: { main: model, rules }, otherwise: 'main', fallback: 'rules', fallbackOn: ['budget'] })",
  ],
  reuse: [
    'popular ones are scored ahead by a batch, whose scores are rows of a table: docs/hybrid.md',
    "const popular = t.table('popular', { schema: Popular, key: (row) => row.id, from: file(new URL('./popular.ndjson', import.meta.url)) })",
    ".score({ models: { main: model }, otherwise: 'main', reuse: { table: popular, score: (row) => ({ probability: row.probability }), at: (row) => row.at, maxAge: hours(24) } })",
  ],
  cache: [
    'rows of a store in Redis stay in memory while they are fresh: docs/stores.md',
    "const items = t.store('items', { schema: Item, from: redis({ key: (id) => `item:${id}` }), fresh: seconds(5), stale: minutes(1), fallback: { rank: 0 } })",
    'rank: events.lookup(items, (e) => e.id).value((item) => item.rank),',
  ],
  ab: [
    'a new model scores a share of the keys, and outputs name their model: docs/several-models.md',
    ".score({ models: { main: model, candidate }, route: [{ to: 'candidate', name: 'canary', share: 0.1 }], otherwise: 'main' })",
  ],
  audit: [
    'outputs in a topic are made again from its log, and compared to the bit: docs/replay.md',
  ],
  drift: ['no metric tells it: compare with the scores of a model of newer data, next.onnx'],
}

type Preset = readonly [maxLatency: string, volume: string, cost: string, needs: NeedName[]]

export const PRESETS: Readonly<Record<string, Preset>> = {
  fraud_detection: ['50ms', '2000000/day', 'low', ['spare', 'fallback']],
  recommendation_engine: ['100ms', '10000000/day', 'medium', ['reuse']],
  credit_scoring: ['1d', '100000/day', 'high', ['audit', 'drift']],
  search_ranking: ['20ms', '5000000/day', 'medium', ['cache', 'ab']],
  demand_forecasting: ['7d', '20000000/day', 'high', []],
}

/** A second of a day may have this many times the events of the mean. */
export const PEAK = 3

/** Flags go before the preset. Faults are added to `faults`; without any, all values are valid. */
export function readDemand(
  preset: string | undefined,
  flags: AdviseFlags,
  faults: TidemarkError[],
): Demand {
  const base = Object.hasOwn(PRESETS, preset ?? '') ? PRESETS[preset ?? ''] : undefined
  if (preset !== undefined && base === undefined) {
    const hint = suggestName(preset, Object.keys(PRESETS), 'presets')
    faults.push(configFault(`there is no preset "${preset}"`, 'preset', hint))
  }
  const { maxLatency = base?.[0], volume = base?.[1], cost = base?.[2] ?? 'medium' } = flags
  const maxLatencyMs = msOf(maxLatency ?? '')
  const eventsPerDay = Number(/^(\d{1,12})\/day$/.exec(volume ?? '')?.[1] ?? 0)
  const fault = (flag: string, text: string | undefined, hint: string) => {
    const message = text === undefined ? 'is needed without a preset' : `"${text}" is not valid`
    if (text !== undefined || preset === undefined) faults.push(configFault(message, flag, hint))
  }
  if (!maxLatencyMs) fault('--max-latency', maxLatency, 'a time such as 50ms, 1s, 15m or 1d')
  if (!eventsPerDay) fault('--volume', volume, 'events a day, such as 2000000/day')
  if (!['low', 'medium', 'high'].includes(cost)) fault('--cost', cost, 'low, medium or high')
  const peakPerSecond = (eventsPerDay / 86_400) * PEAK
  return { preset, maxLatencyMs, eventsPerDay, peakPerSecond, cost, needs: base?.[3] ?? [] }
}

/** 0: it is not a time. */
function msOf(text: string): number {
  return Number(/^(\d{1,9})ms$/.exec(text)?.[1] ?? parseDuration(text) ?? 0)
}
