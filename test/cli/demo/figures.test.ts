import { describe, expect, test } from 'vitest'
import { Figures } from '../../../src/cli/demo/figures.ts'
import type { RuntimeEvent } from '../../../src/runtime/events.ts'

const topology = 'flight-delay'

function consumed(partition: number, records: number, endOffset: number): RuntimeEvent {
  const at = { topic: 'flights', partition }
  return { type: 'consumed', topology, partition: at, records, bytes: 0, endOffset }
}

function processed(partition: number, nextOffset: number, watermarkMs: number): RuntimeEvent {
  const at = { topic: 'flights', partition }
  const outcomes = { scored: 2, windowed: 0, skipped: 0, duplicate: 0, late: 0, dead: 0 }
  return {
    type: 'processed',
    topology,
    partition: at,
    outcomes,
    step: 's',
    closed: new Map(),
    durationMs: 1,
    stages: {},
    watermarkMs,
    nextOffset,
    keys: 0,
    bytes: 0,
  }
}

function inference(rows: number, durationMs: number): RuntimeEvent {
  return { type: 'inference', topology, model: 'm', version: '1', rows, durationMs }
}

function figuresAt() {
  const clock = { nowMs: 0 }
  const figures = new Figures({
    nowMs: () => clock.nowMs,
    present: () => ({ earliestMs: clock.nowMs, latestMs: clock.nowMs }),
    elapsedMs: () => clock.nowMs,
    sleep: async () => {},
    after: () => () => {},
  })
  return { figures, clock }
}

describe('the figures', () => {
  test('give the lag of all partitions and the watermark of the slowest', () => {
    const { figures } = figuresAt()
    for (const event of [
      consumed(0, 4, 10),
      consumed(1, 5, 5),
      processed(0, 4, 2_000),
      processed(1, 5, 1_000),
    ]) {
      figures.observer(event)
    }
    expect(figures.snapshot()).toMatchObject({ lag: 6, watermarkMs: 1_000, predictions: 4 })
  })

  test('have no watermark before every partition has', () => {
    const { figures } = figuresAt()
    figures.observer(consumed(1, 0, 0))
    figures.observer(consumed(0, 4, 4))
    figures.observer(processed(0, 4, 2_000))
    expect(figures.snapshot().watermarkMs).toBe(Number.NEGATIVE_INFINITY)
  })

  test('count as busy the time in which any partition has a chunk', () => {
    const { figures, clock } = figuresAt()
    const at = (ms: number, event: RuntimeEvent) => {
      clock.nowMs = ms
      figures.observer(event)
    }
    // What is told when a start is claimed, before anything is read.
    const none = { scored: 0, windowed: 0, skipped: 0, duplicate: 0, late: 0, dead: 0 }
    at(0, { ...processed(0, 0, 0), outcomes: none } as RuntimeEvent)
    at(0, consumed(0, 60, 60))
    at(100, consumed(1, 40, 40))
    at(150, processed(0, 60, 0))
    at(200, processed(1, 40, 0))
    at(5_000, consumed(0, 100, 160))
    at(5_200, processed(0, 160, 0))
    expect(figures.perBusySecond).toBe(500)
  })

  test('that are asked for rarely give the rate since they were last asked for', () => {
    const { figures, clock } = figuresAt()
    figures.snapshot()
    for (let n = 1; n <= 3; n++) {
      figures.observer(consumed(0, 500, 500 * n))
      clock.nowMs += 5_000
      expect(figures.snapshot().perSecond).toBe(100)
    }
  })

  test('take the rate of the last two seconds', () => {
    const { figures, clock } = figuresAt()
    figures.snapshot()
    figures.observer(consumed(0, 1_000, 1_000))
    clock.nowMs = 2_500
    figures.snapshot()
    figures.observer(consumed(0, 200, 1_200))
    clock.nowMs = 4_500
    expect(figures.snapshot().perSecond).toBe(100)
  })

  test('give percentiles by nearest rank, and NaN before the first batch', () => {
    const { figures } = figuresAt()
    expect(figures.batchMs).toEqual({ p50: Number.NaN, p99: Number.NaN })
    for (let ms = 1; ms <= 200; ms++) figures.observer(inference(ms, 201 - ms))
    expect(figures.batchMs).toEqual({ p50: 100, p99: 198 })
    expect(figures.batches).toMatchObject({ smallest: 1, largest: 200 })
  })
})
