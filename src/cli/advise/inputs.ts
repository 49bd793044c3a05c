import { configFault, type TidemarkError } from '../../kernel/errors.ts'
import { days, parseDuration } from '../../kernel/time.ts'
import { suggestName } from '../config.ts'
import type { NeedName } from './needs.ts'

// What is asked of the predictions, by flags or by a preset.

const COSTS = ['low', 'medium', 'high'] as const
type Cost = (typeof COSTS)[number]

export interface Inputs {
  /** `null`: only flags. */
  readonly preset: string | null
  /** The longest that a score may take; for a batch, also how often it runs. */
  readonly maxLatencyMs: number
  readonly eventsPerDay: number
  /** How much cost matters. */
  readonly cost: Cost
  readonly needs: readonly NeedName[]
}

type Preset = Pick<Inputs, 'maxLatencyMs' | 'eventsPerDay' | 'cost' | 'needs'>

export const PRESETS: Readonly<Record<string, Preset>> = {
  fraud_detection: {
    ...{ maxLatencyMs: 50, eventsPerDay: 2_000_000, cost: 'low' },
    needs: ['spare', 'fallback'],
  },
  recommendation_engine: {
    ...{ maxLatencyMs: 100, eventsPerDay: 10_000_000, cost: 'medium' },
    needs: ['reuse'],
  },
  credit_scoring: {
    ...{ maxLatencyMs: days(1), eventsPerDay: 100_000, cost: 'high' },
    needs: ['audit', 'drift'],
  },
  search_ranking: {
    ...{ maxLatencyMs: 20, eventsPerDay: 5_000_000, cost: 'medium' },
    needs: ['cache', 'ab'],
  },
  demand_forecasting: {
    ...{ maxLatencyMs: days(7), eventsPerDay: 20_000_000, cost: 'high' },
    needs: [],
  },
}

export interface InputFlags {
  readonly maxLatency?: string
  readonly volume?: string
  readonly cost?: string
}

/** Flags go before the preset. Each fault is added to `faults`; without one all values are valid. */
export function readInputs(
  name: string | null,
  { maxLatency, volume, cost }: InputFlags,
  faults: TidemarkError[],
): Inputs {
  const fault = (...of: Parameters<typeof configFault>) => faults.push(configFault(...of))
  const preset = name !== null && Object.hasOwn(PRESETS, name) ? PRESETS[name] : undefined
  if (name !== null && preset === undefined) {
    const hint = suggestName(name, Object.keys(PRESETS), 'presets')
    fault(`there is no preset "${name}"`, 'preset', hint)
  }
  const number = (flag: string, text: string | undefined, of: NumberInput) => {
    if (text === undefined) {
      if (name === null) fault('is needed without a preset', flag, `such as ${of.example}`)
      return of.fallback ?? Number.NaN
    }
    const value = of.parse(text)
    if (!(value > 0)) fault(`"${text}" is not ${of.what}`, flag, `such as ${of.example}`)
    return value
  }
  const maxLatencyMs = number('--max-latency', maxLatency, {
    ...{ parse: msOf, what: 'a time above 0, in ms, s, m, h or d', example: '50ms' },
    fallback: preset?.maxLatencyMs,
  })
  const eventsPerDay = number('--volume', volume, {
    ...{ parse: perDayOf, what: 'a whole number of events a day above 0', example: '2000000/day' },
    fallback: preset?.eventsPerDay,
  })
  const found = COSTS.find((one) => one === (cost ?? preset?.cost ?? 'medium'))
  if (found === undefined) fault(`"${cost}" is not low, medium or high`, '--cost')
  const needs = preset?.needs ?? []
  return { preset: name, maxLatencyMs, eventsPerDay, cost: found ?? 'medium', needs }
}

interface NumberInput {
  /** NaN or 0: it is none. */
  readonly parse: (text: string) => number
  readonly what: string
  readonly example: string
  readonly fallback: number | undefined
}

function msOf(text: string): number {
  const [, ms] = /^(\d{1,9}(?:\.\d{1,6})?)ms$/.exec(text) ?? []
  return ms === undefined ? (parseDuration(text) ?? Number.NaN) : Number(ms)
}

function perDayOf(text: string): number {
  return Number(/^(\d{1,12})\/day$/.exec(text)?.[1] ?? Number.NaN)
}
