import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SEVERAL_MODELS } from '../golden/golden.ts'
import {
  type Case,
  type Crash,
  caseOf,
  crashAtEach,
  type Moment,
  SHIPPED,
  stopAtEach,
} from '../golden/restarting.ts'

// Restarts at even steps through golden inputs: what comes out must be what one uninterrupted run
// gives (rule R1). golden/restart.test.ts has some at random offsets.

const STOPS = 20
const CRASHES = 8
/** Lines that a worker crashes on at most: they make three small commits. */
const LINES = 200
/** Lines that are scored after each crash; each 4th time all that are left. */
const LINES_AFTER = 80
const EVERY_TO_THE_END = 4
const MIB = 2 ** 20
/** Lines of the folders with several models, whose windows are those of the others. */
const FIRST_LINES = 500

interface Steps {
  /** In turn. */
  readonly moments: readonly [Moment, Moment]
  /** Lines from one crash to the next. */
  readonly step: number
  /** Lines that are scored after each crash. */
  readonly linesAfter: number
  /** After each so many crashes, all lines that are left are scored. */
  readonly everyToTheEnd: number
  readonly maxCommitBytes: number
}

/** A crash at each step through all lines, in the few that follow it. */
function crashesIn({ golden }: Case, how: Steps): Crash[] {
  const { length } = golden.lines
  const { step, maxCommitBytes } = how
  const lines = Math.min(step, LINES)
  const crashes: Crash[] = []
  for (let line = step; line + step < length; line += step) {
    const n = crashes.length + 1
    const after = n % how.everyToTheEnd === 0 ? length : how.linesAfter
    crashes.push({
      line,
      lines,
      moment: how.moments[n % 2] as Moment,
      maxCommitBytes,
      // Small commits end within a chunk, so there are some before the one that is cut off.
      commitsBefore: maxCommitBytes < MIB ? n % 3 : 0,
      to: Math.min(length, line + lines + after),
    })
  }
  return crashes
}

describe.each([SHIPPED, 'flight-delay'])('%s', (name) => {
  let of: Case
  beforeAll(async () => {
    of = await caseOf(name)
  })
  afterAll(() => of.prepared.close())

  test(`stopped and started again at ${STOPS} offsets, one after the other, gives what one run gives`, async () => {
    const { length } = of.golden.lines
    const step = Math.floor(length / (STOPS + 2))
    const stops = Array.from({ length: Math.ceil(length / step) }, (_, n) =>
      Math.min(length, (n + 1) * step),
    )
    const { failed, repetitions, restored } = await stopAtEach(of, stops)
    expect(failed).toEqual([])
    expect(repetitions).toBe(0)
    // It has been restored again and again, from the log.
    expect(restored).toBeGreaterThan(STOPS)
  })

  test.each([
    { guarantee: 'exactly-once', moments: ['before', 'after'], bytes: MIB },
    { guarantee: 'at-least-once', moments: ['before', 'between'], bytes: MIB },
    // Commits of a few records, so that they end within a chunk.
    { guarantee: 'exactly-once', moments: ['before', 'after'], bytes: 1_500 },
    { guarantee: 'at-least-once', moments: ['after', 'between'], bytes: 1_500 },
  ] as const)(
    `crashed $guarantee at ${CRASHES} offsets, $moments a commit of $bytes bytes, the next worker goes on as one run does`,
    async ({ guarantee, moments, bytes: maxCommitBytes }) => {
      const crashes = crashesIn(of, {
        moments,
        maxCommitBytes,
        step: Math.floor(of.golden.lines.length / (CRASHES + 2)),
        linesAfter: LINES_AFTER,
        everyToTheEnd: EVERY_TO_THE_END,
      })
      expect(crashes.length).toBeGreaterThanOrEqual(CRASHES)
      const { failed, repetitions } = await crashAtEach(of, guarantee, crashes)
      expect(failed).toEqual([])
      // At least once there must be some: else nothing was cut off in between.
      const [least, most] = guarantee === 'exactly-once' ? [0, 0] : [CRASHES / 4, Infinity]
      expect(repetitions).toBeGreaterThanOrEqual(least)
      expect(repetitions).toBeLessThanOrEqual(most)
    },
  )
})

describe.each(SEVERAL_MODELS)('%s', (name) => {
  let of: Case
  beforeAll(async () => {
    of = await caseOf(name, FIRST_LINES)
  })
  afterAll(() => of.prepared.close())

  test.each([
    { guarantee: 'exactly-once', moments: ['before', 'after'] },
    { guarantee: 'at-least-once', moments: ['before', 'between'] },
  ] as const)(
    'crashed $guarantee at every 50th offset, the next worker decides and scores as one run does',
    async ({ guarantee, moments }) => {
      const crashes = crashesIn(of, {
        moments,
        maxCommitBytes: MIB,
        step: 50,
        linesAfter: 50,
        everyToTheEnd: 6,
      })
      expect(crashes).toHaveLength(FIRST_LINES / 50 - 2)
      const { failed, repetitions } = await crashAtEach(of, guarantee, crashes)
      expect(failed).toEqual([])
      expect(repetitions > 0).toBe(guarantee === 'at-least-once')
    },
  )
})
