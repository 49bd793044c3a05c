import { hours, millis, minutes, seconds } from 'tidemark'
import { deduplicate, type Output } from 'tidemark/testing'
import { describe, expect, test, vi } from 'vitest'
import cardFraud from '../../topologies/card-fraud.ts'
import { startDriver } from '../support/driver.ts'
import { withLatencyBudget } from '../support/latency-budget.ts'
import { thrownBy } from '../support/thrown.ts'
import { payment } from '../topologies/payment.ts'
import { copies, NOON_MS, perMinute, reading } from './support.ts'

const START_MS = Date.UTC(2026, 0, 1)

const sensorsOf = (outputs: readonly Output<{ sensor: string }>[]) =>
  outputs.map((o) => o.value.sensor)
/** Two sensors that lie in different ones of two partitions. */
const [first, second] = ['s-1', 's-3']

describe('what goes in', () => {
  test('an event is keyed by the key of the topology, found in what its schema makes of it', async () => {
    const driver = await startDriver(copies)
    const places = await driver.pipe([reading(0), reading(1, { sensor: second })])
    expect(places).toEqual([0, 1].map((offset) => ({ partition: 0, offset })))
    expect(driver.outputs('copies').map((o) => o.key)).toEqual([first, second])
  })

  test('a key that is given stands, also none', async () => {
    const driver = await startDriver(copies)
    await driver.pipeRecords([
      { key: 'other', value: reading(0) },
      { key: null, value: reading(1) },
    ])
    expect(driver.outputs('copies').map((o) => o.key)).toEqual(['other'])
    expect(driver.deadLetters().map((d) => d.code)).toEqual(['NULL_KEY'])
  })

  test('what fails the schema is keyed by what stands in it, and set aside', async () => {
    const driver = await startDriver(copies)
    await driver.pipe({ sensor: second, at: 'noon' })
    expect(driver.deadLetters()).toMatchObject([{ code: 'SCHEMA_INVALID', key: second }])
  })

  test('what has no key is refused, before anything is sent', async () => {
    const driver = await startDriver(copies)
    const refused = await thrownBy(driver.pipe([reading(0), { celsius: 1 }]))
    expect(refused).toMatchObject({ code: 'KEY_INVALID' })
    expect(refused.message).toContain('pipeRecords({ key, value })')
    expect(driver.outcomes.scored).toBe(0)
  })

  test('a record without a timestamp has its event’s time; what is no event the clock’s', async () => {
    const driver = await startDriver(copies)
    await driver.advance(hours(1))
    await driver.pipeRecords([{ value: reading(5) }, { key: 'k', value: 'x' }])
    expect(driver.outputs('copies')[0]?.timestampMs).toBe(NOON_MS + 5_000)
    expect(driver.deadLetters()[0]?.timestampMs).toBe(START_MS + 3_600_000)
  })

  test.each([
    [5 * 60_000, []],
    [5 * 60_000 + 1, ['FUTURE']],
  ])('an event %i ms after the timestamp that is given: %j', async (aheadMs, codes) => {
    const driver = await startDriver(copies)
    await driver.pipeRecords({ value: reading(0), timestampMs: NOON_MS - aheadMs })
    expect(driver.deadLetters().map((d) => d.code)).toEqual(codes)
  })

  test('with maxAhead: none nothing is from the future', async () => {
    const driver = await startDriver(copies, { maxAhead: 'none' })
    await driver.pipeRecords({ value: reading(0), timestampMs: 0 })
    expect(driver.outcomes).toMatchObject({ scored: 1, dead: 0 })
  })

  test('text and bytes go as they are, headers too', async () => {
    const driver = await startDriver(copies)
    const text = JSON.stringify(reading(0))
    await driver.pipeRecords([{ value: text }, { value: Buffer.from(text) }])
    await driver.pipeRecords({ key: 'k', value: null, headers: { trace: 'ü' } })
    expect(driver.outcomes).toMatchObject({ scored: 2, dead: 1 })
    expect(driver.deadLetters()[0]).toMatchObject({ value: null, headers: { trace: 'ü' } })
  })
})

describe('what comes out', () => {
  test('is listed partition by partition, and each has a watermark of its own', async () => {
    const driver = await startDriver(copies, { partitions: 2 })
    const places = await driver.pipe([
      reading(0, { sensor: second }),
      reading(1, { sensor: first }),
      reading(2, { sensor: second }),
    ])
    const partitions = places.map((p) => p.partition)
    expect(new Set(partitions)).toEqual(new Set([0, 1]))
    const ofPartition = (n: number) => [second, first, second].filter((_, i) => partitions[i] === n)
    expect(sensorsOf(driver.outputs('copies'))).toEqual([...ofPartition(0), ...ofPartition(1)])
    const [ofSecond, ofFirst] = partitions as [number, number]
    expect(driver.watermarkMs(ofSecond)).toBe(NOON_MS + 2_000)
    expect(driver.watermarkMs(ofFirst)).toBe(NOON_MS + 1_000)
  })

  test('take gives each output and each dead letter once, from every partition', async () => {
    const driver = await startDriver(copies, { partitions: 2 })
    const bad = { key: first, value: 'bad' }
    await driver.pipe([reading(0, { sensor: second }), reading(1, { sensor: first })])
    expect(driver.take('copies')).toHaveLength(2)
    await driver.pipe([reading(2, { sensor: second }), reading(3, { sensor: first })])
    await driver.pipeRecords(bad)
    expect(driver.take('copies')).toHaveLength(2)
    expect(driver.take('copies')).toEqual([])
    expect(driver.outputs('copies')).toHaveLength(4)
    expect(driver.takeDeadLetters()).toHaveLength(1)
    expect(driver.takeDeadLetters()).toEqual([])
    expect(driver.deadLetters()).toHaveLength(1)
  })

  test('before anything came there is nothing, and no watermark', async () => {
    const driver = await startDriver(copies)
    expect([driver.outputs('copies'), driver.deadLetters()]).toEqual([[], []])
    expect(driver.outcomes).toEqual({
      scored: 0,
      windowed: 0,
      skipped: 0,
      duplicate: 0,
      late: 0,
      dead: 0,
    })
    expect(driver.watermarkMs()).toBe(Number.NEGATIVE_INFINITY)
  })

  test('more than a chunk holds is all done when pipe is', async () => {
    const driver = await startDriver(copies)
    await driver.pipe(Array.from({ length: 1_234 }, (_, i) => reading(i)))
    expect(driver.outputs('copies')).toHaveLength(1_234)
  })

  test('the same test has the same result, down to every header, whatever the wall clock shows', async () => {
    const result = async () => {
      const driver = await startDriver(perMinute, { partitions: 2 })
      await driver.pipe([reading(0), reading(30, { sensor: second }), reading(70)])
      await driver.advance(minutes(5))
      await driver.pipeRecords({ key: 'k', value: 'bad' })
      return [driver.outputs('minutes'), driver.deadLetters(), driver.outcomes]
    }
    const once = await result()
    vi.useFakeTimers({ now: Date.UTC(2031, 0, 1), toFake: ['Date', 'performance'] })
    try {
      expect(await result()).toEqual(once)
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('time', () => {
  test('each window closes at its own moment, however far the clock is moved at once', async () => {
    const driver = await startDriver(perMinute, { startMs: 5_000 })
    await driver.pipe([reading(0), reading(0, { sensor: second })])
    await driver.pipe(reading(59))
    await driver.advance(seconds(9))
    expect(driver.outputs('minutes')).toEqual([])
    // The watermark is at 12:00:59: it would be past the minute after 1 s, but idle time begins to
    // count after 10 s.
    await driver.advance(hours(1))
    const minute = driver.outputs('minutes')
    expect(minute.map((o) => o.value.key)).toEqual([first, second])
    expect(minute.map((o) => o.timestampMs)).toEqual([15_000, 15_000])
  })

  test('a record begins the silence again', async () => {
    const driver = await startDriver(perMinute)
    await driver.pipe(reading(55))
    await driver.advance(millis(9_999))
    await driver.pipe(reading(56))
    await driver.advance(millis(9_999))
    expect(driver.outputs('minutes')).toEqual([])
    await driver.advance(millis(1))
    expect(driver.outputs('minutes')).toHaveLength(1)
    expect(driver.watermarkMs()).toBe(NOON_MS + 66_000)
  })

  test('at the end of the input all windows of all partitions close, and what comes then is late', async () => {
    const driver = await startDriver(perMinute, { partitions: 2 })
    await driver.pipe([reading(0), reading(0, { sensor: second })])
    await driver.closeWindows()
    expect(driver.outputs('minutes')).toHaveLength(2)
    await driver.pipe(reading(120))
    expect(driver.outcomes).toMatchObject({ windowed: 2, late: 1 })
  })
})

describe('crash and restart', () => {
  test('what is sent while it is down waits, and the windows are whole again', async () => {
    const driver = await startDriver(perMinute)
    await driver.pipe(reading(0, { celsius: 30 }))
    await driver.crash()
    await driver.pipe(reading(20))
    await driver.advance(hours(1))
    expect(driver.outcomes.windowed).toBe(1)
    await driver.restart()
    await driver.pipe(reading(60))
    expect(driver.outputs('minutes').map((o) => o.value)).toMatchObject([
      { readings: 2, hottest: 30 },
    ])
    expect(driver.outcomes.windowed).toBe(3)
  })

  const during = [
    reading(1, { sensor: second }),
    reading(2),
    reading(1),
    reading(3, { celsius: -1 }),
  ]

  test('a crash during events leaves nothing of them, and each output is there once', async () => {
    const driver = await startDriver(copies, { partitions: 2 })
    await driver.pipe(reading(0))
    await driver.crash({ during })
    expect(driver.outputs('copies')).toHaveLength(1)
    await driver.restart()
    const outputs = driver.outputs('copies')
    expect(outputs).toHaveLength(4)
    expect(deduplicate(outputs)).toHaveLength(4)
    expect(driver.outcomes).toEqual({
      scored: 4,
      windowed: 0,
      skipped: 1,
      duplicate: 0,
      late: 0,
      dead: 0,
    })
  })

  test('at least once it leaves their outputs and repeats them, each outcome counted once', async () => {
    const driver = await startDriver(copies, { partitions: 2, guarantee: 'at-least-once' })
    await driver.pipe(reading(0))
    await driver.crash({ during })
    expect(driver.outputs('copies')).toHaveLength(4)
    expect(driver.outcomes).toMatchObject({ scored: 1, skipped: 0 })
    await driver.restart()
    const outputs = driver.outputs('copies')
    expect(outputs).toHaveLength(7)
    expect(deduplicate(outputs)).toHaveLength(4)
    for (const { id, value } of outputs) {
      expect(outputs.find((o) => o.id === id)?.value).toEqual(value)
    }
    expect(driver.outcomes).toEqual({
      scored: 4,
      windowed: 0,
      skipped: 1,
      duplicate: 0,
      late: 0,
      dead: 0,
    })
  })

  test('a dead worker never writes again, though time passes', async () => {
    const driver = await startDriver(perMinute)
    await driver.crash({ during: reading(0) })
    await driver.advance(hours(1))
    expect(driver.outputs('minutes')).toEqual([])
    await driver.restart()
    await driver.advance(minutes(2))
    expect(driver.outputs('minutes')).toHaveLength(1)
  })

  test('a window that idle time has closed stays closed', async () => {
    const driver = await startDriver(perMinute)
    await driver.pipe(reading(0))
    await driver.advance(minutes(2))
    await driver.crash()
    await driver.restart()
    await driver.pipe(reading(30))
    expect(driver.outcomes).toMatchObject({ windowed: 1, late: 1 })
    expect(driver.outputs('minutes')).toHaveLength(1)
  })

  test.each([
    ['exactly-once', (outputs: readonly Output<unknown>[]) => outputs],
    ['at-least-once', deduplicate],
  ] as const)(
    'crashed again and again it gives what one life gives, %s',
    async (guarantee, read) => {
      const events = Array.from({ length: 40 }, (_, i) => reading(i * 7, { celsius: i % 9 }))
      const whole = await startDriver(perMinute)
      await whole.pipe(events)
      const driver = await startDriver(perMinute, { guarantee })
      for (const [i, event] of events.entries()) {
        if (i % 3 === 0) await driver.crash({ during: event })
        else await driver.pipe(event)
        if (i % 3 === 1) await driver.stop()
        if (i % 3 !== 2) await driver.restart()
      }
      const values = (outputs: readonly Output<unknown>[]) =>
        read(outputs).map(({ id, value }) => ({ id, value }))
      expect(values(driver.outputs('minutes'))).toEqual(values(whole.outputs('minutes')))
      expect(driver.outcomes).toEqual(whole.outcomes)
      expect(driver.watermarkMs()).toBe(whole.watermarkMs())
    },
  )

  test('restart alone stops what runs first; stop twice is stop once', async () => {
    const driver = await startDriver(perMinute)
    await driver.pipe(reading(0))
    await driver.restart()
    await driver.pipe(reading(60))
    expect(driver.outputs('minutes')).toHaveLength(1)
    await driver.stop()
    await driver.stop()
    await driver.crash()
    expect(driver.outputs('minutes')).toHaveLength(1)
  })

  test('a topology with a model is scored again after stop and restart', async () => {
    const driver = await startDriver(cardFraud)
    await driver.pipe(payment(minutes(0)))
    await driver.stop()
    await driver.restart()
    await driver.pipe(payment(minutes(1)))
    expect(driver.outputs('predictions')).toHaveLength(2)
  })
})

test('no model is too slow for it', async () => {
  const driver = await startDriver(withLatencyBudget(cardFraud, 1e-6))
  await driver.pipe(payment(minutes(0)))
  expect(driver.outputs('predictions')).toHaveLength(1)
})

test('of outputs with one id the first is left', () => {
  const output = (id: string, value: number): Output<number> => {
    return { id, value, key: null, partition: 0, timestampMs: 0, headers: {} }
  }
  const left = deduplicate([output('a', 1), output('b', 2), output('a', 3)])
  expect(left.map((o) => o.value)).toEqual([1, 2])
})

describe('a function in a model’s place', () => {
  const start = (answer: (features: Readonly<Record<string, number>>) => object) =>
    startDriver(cardFraud, { models: { 'card-gbdt': answer as () => Record<string, number> } })

  test('sees the features of each event by name and decides its score', async () => {
    const driver = await start(({ amount = 0, count1h = 0 }) => ({
      probability: (amount + count1h) / 100,
    }))
    await driver.pipe([payment(minutes(0), { amount: 3 }), payment(minutes(1), { amount: 4 })])
    const values = driver.outputs('predictions').map((o) => o.value)
    expect(values.map((v) => v.probability)).toEqual([0.04, 0.06])
    expect(values[0]?.model).toBe('card-gbdt@2')
  })

  test('that returns no number, or throws, makes pipe reject with that error', async () => {
    const silent = await start(() => ({ score: 1 }))
    await expect(silent.pipe(payment(minutes(0)))).rejects.toThrow(
      'the function for card-gbdt returns no number "probability"',
    )
    await expect(silent.stop()).rejects.toThrow('returns no number')
    const failing = await start(() => {
      throw new Error('amount is not 10')
    })
    await expect(failing.pipe(payment(minutes(0)))).rejects.toThrow('amount is not 10')
    await expect(failing.stop()).rejects.toThrow('amount is not 10')
  })

  test('that is not a number sets the event aside', async () => {
    const driver = await start(() => ({ probability: Number.NaN }))
    await driver.pipe(payment(minutes(0)))
    expect(driver.deadLetters().map((d) => d.code)).toEqual(['SCORE_NOT_FINITE'])
  })

  test('for a model that the topology has not is refused', async () => {
    const refused = await thrownBy(startDriver(copies, { models: { nobody: () => ({}) } }))
    expect(refused).toMatchObject({
      code: 'CONFIG_INVALID',
      message: 'the topology has no model "nobody"',
    })
  })
})
