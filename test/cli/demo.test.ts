import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { readFlights } from '../../src/cli/demo/flights.ts'
import { usageOf } from '../bench/process-usage.ts'
import { start } from '../services/tidemark-in-test.ts'
import { type Ended, tidemark } from '../support/command-line.ts'

/** in, scored, skipped, late, dead */
function tallyIn(stderr: string): number[] {
  const tally =
    /([\d,]+) in = ([\d,]+) scored \+ ([\d,]+) skipped \+ ([\d,]+) late \+ ([\d,]+) dead/
  const found = tally.exec(stderr)
  if (found === null) throw new Error(`no tally in ${stderr}`)
  return found.slice(1).map((n) => Number(n.replaceAll(',', '')))
}

describe('the demo, at once and without a terminal', () => {
  let run: Promise<Ended> | undefined
  /** The one run that these tests look at; the first of them waits for it. */
  const ended = () => (run ??= tidemark(['demo', '--seconds', '0']))

  test('ends with 0, and every event is accounted for', async () => {
    const { code, stderr } = await ended()
    expect({ code, stderr }).toMatchObject({ code: 0 })
    const events = readFlights().flatMap(({ event }) => (event === null ? [] : [event]))
    const departures = events.filter(({ kind }) => kind === 'departed').length
    const landings = events.length - departures
    expect(tallyIn(stderr)).toEqual([events.length + 3, departures, landings, 1, 2])
  })

  test('sets the three broken records aside, each with its code', async () => {
    const { stderr } = await ended()
    const codes = [...stderr.matchAll(/dead letter flights-\d+@\d+ {2}(\w+)/g)].map((m) => m[1])
    expect(new Set(codes)).toEqual(new Set(['JSON_INVALID', 'LATE', 'SCHEMA_INVALID']))
    expect(codes).toHaveLength(3)
  })

  test('says how good the model was: as good as in its own hold-out of these two weeks', async () => {
    const { stderr } = await ended()
    const auc = Number(/AUC (\d\.\d+)/.exec(stderr)?.[1])
    expect(auc).toBeGreaterThan(0.87)
    expect(auc).toBeLessThan(0.9)
  })

  test('writes plain lines, and on stdout nothing but flights', async () => {
    const { stdout, stderr } = await ended()
    // oxlint-disable-next-line no-control-regex -- it is looked for on purpose
    expect(stdout + stderr).not.toMatch(/[\x1b\r]/)
    const lines = stdout.trimEnd().split('\n')
    const left = lines.filter((line) => / left .* % to arrive late$/.test(line))
    const landed = lines.filter((line) => / landed .* [✓✗] (late|on time) \(said /.test(line))
    expect(left.length).toBeGreaterThan(20)
    expect(landed.length).toBeGreaterThan(20)
    expect(left.length + landed.length).toBe(lines.length)
  })
})

test('the first prediction takes less than 3 s of CPU time; an interrupt then ends the demo with what there is so far, and 0', async () => {
  const run = start(['demo'])
  const [line] = (await once(run.process.stdout, 'data')) as [string]
  expect(usageOf(run.process.pid as number)?.cpuSeconds).toBeLessThan(3)
  expect(line).toMatch(/ left .* % to arrive late/)
  run.process.kill('SIGINT')
  const { code, stderr } = await run.ended
  expect({ code, stderr }).toMatchObject({ code: 0 })
  const [consumed = 0, ...parts] = tallyIn(stderr)
  expect(parts.reduce((sum, n) => sum + n, 0)).toBe(consumed)
  expect(consumed).toBeGreaterThan(0)
  expect(consumed).toBeLessThan(readFlights().length)
})

test('a length of time that is none is refused', async () => {
  const { code, stderr } = await tidemark(['demo', '--seconds', '-1'])
  expect(code).toBe(2)
  expect(stderr).toContain('a number of seconds, 0 or more')
})
