import { describe, expect, test } from 'vitest'
import { adviceFor, type Measured } from '../../../src/cli/advise/advice.ts'
import { type Demand, PRESETS, readDemand } from '../../../src/cli/advise/demand.ts'

// The rule of thumb, and what overrules it.

function asked(maxLatency: string, perDay: number, cost = 'medium'): Demand {
  return readDemand(undefined, { maxLatency, volume: `${perDay}/day`, cost }, [])
}

/** @param baseMs @param rowMs of a model @param micros of an event; `null`: no events */
function taking(baseMs: number, rowMs: number, micros: number | null = null): Measured {
  return {
    ...{ cores: 4, startMs: 1_000 },
    models: [{ name: 'm', by: 'its trees', baseMs, rowMs, oneRowMs: baseMs + rowMs }],
    events: micros === null ? null : { events: 10_000, microsPerEvent: micros },
  }
}

const FAST = taking(0.005, 0.001, 10)

describe('the rule of thumb', () => {
  test.each([
    [asked('99ms', 999_999), 'on request', 1],
    [asked('99ms', 1_000_000), 'on request', null],
    [asked('100ms', 1_000_000), 'stream', 1],
    [asked('999ms', 1_000_000, 'high'), 'stream', 1],
    [asked('1s', 1_000_000, 'high'), 'batch, scheduled', 1],
    [asked('1s', 1_000_000), 'batch, on arrival', 1],
    [asked('1d', 1_000_000, 'low'), 'batch, on arrival', 1],
  ] as const)('$maxLatencyMs ms, $eventsPerDay a day, cost $cost', (given, form, workers) => {
    const advice = adviceFor(given, null)
    expect(advice).toMatchObject({ form, workers, measured: [], overruled: null })
    expect(advice.against.join()).toContain('nothing measured')
  })

  test.each([
    ['fraud_detection', 'on request'],
    ['recommendation_engine', 'stream'],
    ['credit_scoring', 'batch, scheduled'],
    ['search_ranking', 'on request'],
    ['demand_forecasting', 'batch, scheduled'],
  ])('%s is served %s', (preset, form) => {
    expect(adviceFor(readDemand(preset, {}, []), null).form).toBe(form)
  })
})

describe('what is measured overrules it', () => {
  test('one worker that does the volume many times is enough, though the rule says a group', () => {
    const { form, workers, overruled } = adviceFor(asked('50ms', 2_000_000), FAST)
    expect([form, workers]).toEqual(['on request', 1])
    expect(overruled).toBe('1 worker, though the rule says a scaled group')
  })

  test('a volume that one worker does not take has several, though the rule says one', () => {
    // 34.7 a second at the peak, of which one worker does 10.
    const { workers, overruled } = adviceFor(asked('90ms', 999_999), taking(0, 0.001, 99_933))
    expect(workers).toBe(6)
    expect(overruled).toBe('6 workers, though the rule says one')
  })

  test('a model that is slower than what is asked meets it in no form', () => {
    const { form, overruled, against } = adviceFor(asked('50ms', 1_000), taking(79, 1))
    expect(form).toBe('none')
    expect(overruled).toBe(
      'no form meets 50 ms here: a row takes 80.0 ms, and may wait for another',
    )
    expect(against.join()).toMatch(/smaller model.*fallback.*reused/)
  })

  test('a row may wait for another, so half of the latency is the most that one may take', () => {
    expect(adviceFor(asked('50ms', 1_000), taking(24, 0.9)).form).toBe('on request')
    expect(adviceFor(asked('50ms', 1_000), taking(24, 1)).form).toBe('none')
  })

  test('a batch that takes longer than its period is none: the stream, with the workers it takes', () => {
    // 10^10 events of 1 ms take 116 days: 347 workers at the peak, 579 that are busy for 60 %.
    const advice = adviceFor(asked('1d', 10_000_000_000, 'high'), taking(0, 0.001, 975))
    expect(advice).toMatchObject({ form: 'stream', workers: 579 })
    expect(advice.overruled).toMatch(
      /^no batch, though the rule says one: a batch of 10,000,000,000 events takes 29 days with 4 workers, longer than 24 h$/,
    )
  })

  test('a batch has the fewest workers with which it ends within its period', () => {
    const lasting = (days: number) =>
      adviceFor(asked('1d', 86_400_000 * days, 'high'), taking(0, 0, 975))
    expect([lasting(0.9), lasting(1), lasting(3.9)].map(({ workers }) => workers)).toEqual([
      1, 2, 4,
    ])
    expect(lasting(0.9).measured.at(-1)).toBe(
      'a batch of 77,760,000 events takes 22 h with 1 worker',
    )
    expect(lasting(4).form).toBe('stream')
  })

  test('a batch that is not even loaded within its period is none', () => {
    const slow = { ...FAST, startMs: 3_000 }
    expect(adviceFor(asked('3s', 1_000), slow).form).toBe('stream')
    expect(adviceFor(asked('4s', 1_000), slow).form).toBe('batch, on arrival')
  })

  test('what agrees with the rule overrules nothing', () => {
    for (const latency of ['50ms', '500ms', '1d']) {
      expect(adviceFor(asked(latency, 1_000), FAST).overruled).toBe(null)
    }
  })
})

describe('workers and batches', () => {
  test('at the peak a batch is what comes while one runs, and two of them are in time', () => {
    const [baseMs, rowMs, limitMs] = [4, 0.05, 20]
    for (const perDay of [1e5, 1e7, 1e9, 1e10]) {
      const one = asked(`${limitMs}ms`, perDay)
      const { workers, batchRows } = adviceFor(one, taking(baseMs, rowMs))
      const eachPerMs = one.peakPerSecond / 1_000 / (workers as number)
      // Rows that come while a batch of this size runs, 67 µs a row for HTTP.
      const eventMs = rowMs + 0.067
      const lasts = (rows: number) => baseMs + eventMs * rows
      let rows = 1
      for (let n = 0; n < 1_000; n++) rows = Math.max(1, eachPerMs * lasts(rows))
      expect(batchRows).toBe(Math.round(rows))
      expect(rows === 1 || 2 * lasts(rows) <= limitMs + 1e-6).toBe(true)
      // With one worker less, it would not be.
      const fewer = one.peakPerSecond / 1_000 / ((workers as number) - 1)
      const isLate = fewer * eventMs > 0.6 || 2 * (baseMs / (1 - fewer * eventMs)) > limitMs
      expect(workers === 1 || isLate).toBe(true)
    }
  })

  test.each([
    ['50ms', 67],
    ['500ms', 25],
  ])(
    'at the peak of %s a worker is busy for 60 %% of the time, with %i µs for what is not measured',
    (latency, micros) => {
      // A second of the peak has 3,000 events.
      const workers = (busy: number) =>
        adviceFor(asked(latency, 86_400_000), taking(0, 0, (busy * 1e6) / 3_000 - micros)).workers
      expect([workers(0.599), workers(0.601), workers(1.199), workers(1.201)]).toEqual([1, 2, 2, 3])
    },
  )

  test('of several models the slowest counts', () => {
    const both = { ...FAST, models: [...FAST.models, ...taking(79, 1).models] }
    expect(adviceFor(asked('50ms', 1_000), both).form).toBe('none')
  })

  test('99.99 % has a worker to spare, in a batch none', () => {
    const spare = (latency: string) =>
      adviceFor(readDemand('fraud_detection', { maxLatency: latency }, []), FAST).workers
    expect([spare('50ms'), spare('500ms'), spare('1d')]).toEqual([2, 2, 1])
  })
})

test('flags go before what a preset says', () => {
  const given = readDemand('fraud_detection', { volume: '5/day', cost: 'high' }, [])
  const { needs, maxLatencyMs, eventsPerDay, cost } = given
  expect({ needs, maxLatencyMs, eventsPerDay, cost }).toEqual({
    ...{ maxLatencyMs: 50, eventsPerDay: 5, cost: 'high' },
    needs: PRESETS['fraud_detection']?.[3],
  })
})
