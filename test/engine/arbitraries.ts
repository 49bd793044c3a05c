import * as fc from 'fast-check'
import type { Aggregate } from '../../src/topology/aggregates.ts'
import type {
  EventFunction,
  FeatureDefinition,
  FeatureSource,
  FeaturesStep,
  KindDefinition,
} from '../../src/topology/definition.ts'
import { isoTime } from '../../src/topology/times.ts'
import type { Arrival, NaiveOptions } from './oracle/naive-features.ts'

// Random events and random features steps over them. All of it shrinks towards one event of key
// `k1`, kind `sale`, amount 0, at START_MS.

/** An event that a step of {@link featuresSteps} can read, or of which it can read all but its time. */
interface SampleEvent {
  readonly kind: 'sale' | 'refund'
  readonly amount: number
  readonly shop: string
  readonly online: boolean
  /** A time, or now and then none. */
  readonly at: string
}

export const START_MS = Date.UTC(2026, 0, 1)

/** A features step, what it runs with, and events of one partition in log order. */
export interface FeatureRun {
  readonly step: FeaturesStep
  readonly options: Required<NaiveOptions>
  readonly events: readonly Arrival[]
}

/** @param maxEvents enough to fill several blocks of a key's history: 200 */
export function featureRuns(maxEvents: number): fc.Arbitrary<FeatureRun> {
  return fc.constantFrom(0, 1, 1_000, 30_000).chain((lagMs) =>
    record({
      step: featuresSteps(),
      options: record({
        lagMs: fc.constant(lagMs),
        onLate: fc.constantFrom('dead-letter', 'drop', 'score'),
        lookup: fc.constant(lookup),
      }),
      events: arrivals(lagMs, maxEvents),
    }),
  )
}

/**
 * Events of one partition in log order, up to three keys. Each is ahead of the newest before it by
 * nothing, single milliseconds, the lengths of {@link featuresSteps}' windows, or a gap that
 * empties them all; or it is behind it, within the lag, on its edge or beyond.
 */
export function arrivals(lagMs: number, maxEvents: number): fc.Arbitrary<Arrival[]> {
  const aheadMs = oneOf(
    [4, fc.nat(20)],
    [4, fc.nat(2_000)],
    [2, nearLengths()],
    [1, fc.nat(300_000)],
  )
  const behindMs = oneOf(
    [4, fc.nat(lagMs)],
    [2, fc.constantFrom(lagMs, lagMs + 1)],
    [1, fc.nat(2 * lagMs + 120_000)],
  )
  const arrival = record({
    key: fc.constantFrom('k1', 'k2', 'k3'),
    stepMs: oneOf([2, aheadMs], [1, behindMs.map((ms) => -ms)]),
    event: sampleEvents(),
  })
  return fc.array(arrival, { minLength: 1, maxLength: maxEvents, size: 'max' }).map((steps) => {
    let newestMs = START_MS
    return steps.map(({ key, stepMs, event }) => {
      const timeMs = newestMs + stepMs
      newestMs = Math.max(newestMs, timeMs)
      return { key, timeMs, event }
    })
  })
}

/**
 * Amounts of both signs with equal ones, decimals that are no binary fraction, and rare ones of
 * ±1e7. Never −0.
 */
function sampleEvents(): fc.Arbitrary<SampleEvent> {
  return record({
    kind: fc.constantFrom('sale', 'refund'),
    amount: oneOf(
      [4, fc.integer({ min: -5, max: 5 })],
      [4, fc.integer({ min: -100_000, max: 100_000 }).map((cents) => cents / 100)],
      [4, fc.constantFrom(0.1, 0.2, 0.3, -0.1, -0.3, 33.33)],
      [1, fc.constantFrom(1e7, -1e7)],
    ),
    shop: fc.constantFrom('s1', 's2', 's3', 's4', 'süd', ''),
    online: fc.boolean(),
    at: oneOf(
      [40, fc.constantFrom('2026-01-01T00:00:00Z', '2026-02-03T04:05:06.789+02:00')],
      [1, fc.constant('soon')],
    ),
  })
}

/**
 * Frozen steps of one to eight features over one to three kinds, with every aggregate and every
 * kind of window.
 */
export function featuresSteps(): fc.Arbitrary<FeaturesStep> {
  return fc.shuffledSubarray(KINDS, { minLength: 1 }).chain((kinds) =>
    fc
      .array(featureSources(kinds.length), { minLength: 1, maxLength: 8, size: 'max' })
      .map((sources) =>
        Object.freeze({
          op: 'features',
          name: 'features',
          kinds: Object.freeze(kinds),
          features: Object.freeze(sources.map(named)),
          then: Object.freeze([]),
        } as const),
      ),
  )
}

interface Shop {
  readonly rating: number | null
}

/** The table behind the lookup features; `s4` and the nameless shop are not in it. */
const SHOPS: ReadonlyMap<string, Shop> = new Map([
  ['s1', { rating: 1 }],
  ['s2', { rating: 0.2 }],
  ['s3', { rating: null }],
  ['süd', { rating: -3.5 }],
])

const lookup = (_table: string): ReadonlyMap<string, unknown> => SHOPS

const LENGTHS_MS = [1, 1_000, 10_000, 60_000] as const

/** Half of the columns pick a field, half compute. */
const COLUMNS: KindDefinition['columns'] = Object.freeze({
  amount: on((e) => e.amount),
  fee: on((e) => e.amount * 0.015 + 0.25),
  shop: on((e) => e.shop),
  initial: on((e) => e.shop.slice(0, 1)),
  online: on((e) => e.online),
  large: on((e) => e.amount > 3),
  time: on(isoTime((e) => e.at)),
})
const TIME = COLUMNS['time'] as EventFunction<number>

const KINDS: KindDefinition[] = [
  Object.freeze({ is: null, columns: COLUMNS }),
  Object.freeze({ is: on((e) => e.kind === 'sale'), columns: COLUMNS }),
  Object.freeze({ is: on((e) => e.kind === 'refund'), columns: COLUMNS }),
  Object.freeze({ is: null, where: onlineOnly(true), columns: COLUMNS }),
  Object.freeze({
    is: on((e) => e.kind === 'sale'),
    where: onlineOnly(false),
    columns: COLUMNS,
  }),
]

/** @param isOptional may events lack it: half do, if so */
function onlineOnly(isOptional: boolean) {
  const of = on((e) => (isOptional && !e.online && e.amount > 0 ? undefined : e.online))
  return Object.freeze({ column: 'online', of, isOptional })
}

/** A function of a sample event as the frozen data has it. */
function on<R>(of: (event: SampleEvent) => R): EventFunction<R> {
  return of as EventFunction<R>
}

function featureSources(kinds: number): fc.Arbitrary<FeatureSource> {
  const kind = fc.nat(kinds - 1)
  return oneOf<FeatureSource>(
    [
      6,
      record({
        from: fc.constant('rolling'),
        kind,
        lengthMs: lengths(),
        aggregate: aggregates(),
      }),
    ],
    [
      3,
      record({
        from: fc.constant('rolling'),
        kind,
        lengthMs: lengths(),
        before: fc.constant(true),
        aggregate: fc.oneof(aggregates(), aggregates(), comparisons()),
      }),
    ],
    [
      3,
      record({
        from: fc.constant('tumbling'),
        kind,
        which: fc.constantFrom('current', 'lastClosed'),
        lengthMs: lengths(),
        aggregate: aggregates(),
      }),
    ],
    [2, record({ from: fc.constant('sinceLast'), kind, lengthMs: lengths(), empty: nevers() })],
    [2, record({ from: fc.constant('sinceLastEver'), kind, capMs: caps(), never: nevers() })],
    [1, record({ from: fc.constant('value'), kind, of: values() })],
    [1, record({ from: fc.constant('value'), kind, ...formed })],
    [1, record({ from: fc.constant('value'), kind, of: fc.constant(TIME), form: partsOfTime() })],
    [1, record({ from: fc.constant('lookup'), kind, table: fc.constant('shops'), ...lookups })],
  )
}

const lengths = () =>
  oneOf<number>([3, fc.constantFrom(...LENGTHS_MS)], [1, fc.integer({ min: 1, max: 100_000 })])
const caps = () => fc.constantFrom(null, 1_000, 60_000)
const nevers = () => fc.constantFrom(0, -1, Number.NaN)
const values = () =>
  fc.constantFrom(
    on((e) => e.amount),
    on((e) => e.shop.length),
    TIME,
  )
const partsOfTime = () =>
  record({
    is: fc.constantFrom('hourOfDay', 'dayOfWeek'),
    column: fc.constant('time'),
    offsetMs: fc.constantFrom(0, 19_800_000),
  })
const formed = {
  of: fc.constant(on((e) => e.shop as unknown as number)),
  form: record({
    is: fc.constant('code'),
    column: fc.constant('shop'),
    words: fc.constantFrom(['s2', 's1'], ['süd', '', 's4']),
    unknown: fc.constantFrom(-1, Number.NaN),
  }),
}
const lookups = {
  key: fc.constant(on((e) => (e.shop === '' ? null : e.shop))),
  of: fc.constant((row: unknown) => (row as Shop).rating ?? Number.NaN),
}

function aggregates(): fc.Arbitrary<Aggregate> {
  const number = fc.constantFrom('amount', 'fee')
  const text = fc.constantFrom('shop', 'initial')
  const truth = fc.constantFrom('online', 'large')
  const empty = fc.constantFrom(Number.NaN, 0, -1)
  const plain = fc.constantFrom(
    ...(['mean', 'min', 'max', 'variance', 'std', 'skewness', 'kurtosis'] as const),
  )
  const end = fc.constantFrom('first', 'last')
  const cell = fc.constant('number')
  return oneOf<Aggregate>(
    [1, record({ of: fc.constant('count') })],
    [1, record({ of: fc.constant('rate') })],
    [1, record({ of: fc.constant('sum'), column: number })],
    [1, record({ of: fc.constant('decayedSum'), column: number, halfLifeMs: halfLives() })],
    [6, record({ of: plain, column: number, empty })],
    [1, record({ of: fc.constantFrom('min', 'max'), column: fc.constant('time'), empty })],
    [1, record({ of: fc.constant('quantile'), column: number, empty, q: quantiles() })],
    [1, record({ of: fc.constant('ratio'), column: number, over: number, empty })],
    [2, record({ of: end, column: fc.oneof(number, truth), cell, empty })],
    [1, record({ of: fc.constant('distinct'), column: text })],
    [1, record({ of: fc.constant('countWhere'), column: truth })],
    [1, record({ of: fc.constant('share'), column: truth, empty })],
  )
}

/** Aggregates of the event with those before it. */
function comparisons(): fc.Arbitrary<Aggregate> {
  const number = fc.constantFrom('amount', 'fee')
  const empty = fc.constantFrom(Number.NaN, 0, -1)
  return fc.oneof(
    record<Extract<Aggregate, { of: 'previous' }>>({
      of: fc.constant('previous'),
      column: fc.constantFrom('amount', 'fee', 'online'),
      n: fc.constantFrom(1, 2, 3, 40, 300),
      cell: fc.constant('number'),
      empty,
    }),
    record<Extract<Aggregate, { of: 'delta' }>>({
      of: fc.constant('delta'),
      column: number,
      empty,
    }),
  )
}

const halfLives = () => fc.constantFrom(1_000, 60_000)
const quantiles = () => fc.constantFrom(0, 0.25, 0.5, 0.9, 1)

function nearLengths(): fc.Arbitrary<number> {
  return fc
    .tuple(fc.constantFrom(...LENGTHS_MS), fc.integer({ min: -1, max: 1 }))
    .map(([lengthMs, off]) => lengthMs + off)
}

function named(source: FeatureSource, index: number): FeatureDefinition {
  return Object.freeze({ name: `f${index}`, ...source })
}

function oneOf<T>(...choices: readonly (readonly [weight: number, fc.Arbitrary<T>])[]) {
  return fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })))
}

function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model, { noNullPrototype: true })
}
