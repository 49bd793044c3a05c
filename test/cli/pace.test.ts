import { describe, expect, test } from 'vitest'
import { type DemoRecord, readFlights } from '../../src/cli/demo/flights.ts'
import { ReplayPace } from '../../src/cli/pace.ts'
import { sleeplessClock } from '../support/clocks.ts'

const flights = readFlights()

interface Played {
  readonly records: readonly DemoRecord[]
  /** Since the start. */
  readonly atMs: number
}

const spanMs = (flights.at(-1)?.timestampMs ?? 0) - (flights[0]?.timestampMs ?? 0)

async function play(seconds: number, until = Number.POSITIVE_INFINITY): Promise<Played[]> {
  const clock = sleeplessClock()
  const startMs = clock.elapsedMs()
  const stop = new AbortController()
  const pace = new ReplayPace(spanMs / (seconds * 1_000), stop.signal, clock)
  const played: Played[] = []
  for await (const records of pace.due(flights, ({ timestampMs }) => timestampMs)) {
    const atMs = clock.elapsedMs() - startMs
    played.push({ records, atMs })
    if (atMs >= until) stop.abort()
  }
  return played
}

describe('the pace', () => {
  test('hands out every record once, in order, and takes as long as it should', async () => {
    const played = await play(45)
    expect(played.flatMap(({ records }) => records)).toEqual(flights)
    const lastMs = played.at(-1)?.atMs ?? 0
    expect(lastMs).toBeGreaterThanOrEqual(45_000)
    expect(lastMs).toBeLessThan(45_100)
  })

  test('shortens all times by one factor', async () => {
    const played = await play(45)
    const [first, last] = [flights[0], flights.at(-1)]
    const factor = ((last?.timestampMs ?? 0) - (first?.timestampMs ?? 0)) / 45_000
    const errors = played.map(({ records, atMs }) => {
      const eventMs = (records.at(-1)?.timestampMs ?? 0) - (first?.timestampMs ?? 0)
      return atMs - eventMs / factor
    })
    // Exact but for rounding.
    expect(Math.min(...errors)).toBeGreaterThan(-1e-6)
    expect(Math.max(...errors)).toBeLessThan(1e-6)
  })

  test('has a departure to score within the first second', async () => {
    const played = await play(45)
    const first = played.find(({ records }) => records.some((r) => r.event?.kind === 'departed'))
    expect(first?.atMs).toBeLessThan(1_000)
  })

  test('hands out all at once for 0 seconds', async () => {
    const played = await play(0)
    expect(played.flatMap(({ records }) => records)).toHaveLength(flights.length)
    expect(played.at(-1)?.atMs).toBe(0)
  })

  test('ends when told to', async () => {
    const played = await play(45, 10_000)
    expect(played.filter(({ atMs }) => atMs >= 10_000)).toHaveLength(1)
    expect(played.at(-1)?.atMs).toBeLessThan(10_050)
  })
})
