import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { readFlights } from '../../src/cli/demo/flights.ts'

const BIN = fileURLToPath(new URL('../../src/cli/bin.js', import.meta.url))
/** The process may have to build first, on a machine that is busy with other tests. */
const TIMEOUT_MS = 60_000

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the demo; `onPrediction` is called with the first line on stdout. */
async function demo(args: string[], onPrediction = (_kill: () => void) => {}): Promise<Ended> {
  const child = spawn(process.execPath, [BIN, 'demo', ...args])
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (data: string) => {
    if (stdout === '') onPrediction(() => child.kill('SIGINT'))
    stdout += data
  })
  child.stderr.setEncoding('utf8').on('data', (data: string) => (stderr += data))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

/** in, scored, skipped, late, dead */
function tallyIn(stderr: string): number[] {
  const tally =
    /([\d,]+) in = ([\d,]+) scored \+ ([\d,]+) skipped \+ ([\d,]+) late \+ ([\d,]+) dead/
  const found = tally.exec(stderr)
  if (found === null) throw new Error(`no tally in ${stderr}`)
  return found.slice(1).map((n) => Number(n.replaceAll(',', '')))
}

describe('the demo, at once and without a terminal', () => {
  let ended: Ended
  beforeAll(async () => {
    ended = await demo(['--seconds', '0'])
  }, TIMEOUT_MS)

  test('ends with 0, and every event is accounted for', () => {
    const { code, stderr } = ended
    expect({ code, stderr }).toMatchObject({ code: 0 })
    const events = readFlights().flatMap(({ event }) => (event === null ? [] : [event]))
    const departures = events.filter(({ kind }) => kind === 'departed').length
    const landings = events.length - departures
    expect(tallyIn(stderr)).toEqual([events.length + 3, departures, landings, 1, 2])
  })

  test('sets the three broken records aside, each with its code', () => {
    const { stderr } = ended
    const codes = [...stderr.matchAll(/dead letter flights-\d+@\d+ {2}(\w+)/g)].map((m) => m[1])
    expect(new Set(codes)).toEqual(new Set(['JSON_INVALID', 'LATE', 'SCHEMA_INVALID']))
    expect(codes).toHaveLength(3)
  })

  test('says how good the model was: as good as in its own hold-out of these two weeks', () => {
    const auc = Number(/AUC (\d\.\d+)/.exec(ended.stderr)?.[1])
    expect(auc).toBeGreaterThan(0.87)
    expect(auc).toBeLessThan(0.9)
  })

  test('writes plain lines, and on stdout nothing but flights', () => {
    const { stdout, stderr } = ended
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

test('an interrupt ends the demo with what there is so far, and 0', {
  timeout: TIMEOUT_MS,
}, async () => {
  const { code, stderr } = await demo([], (interrupt) => interrupt())
  expect({ code, stderr }).toMatchObject({ code: 0 })
  const [consumed = 0, ...parts] = tallyIn(stderr)
  expect(parts.reduce((sum, n) => sum + n, 0)).toBe(consumed)
  expect(consumed).toBeGreaterThan(0)
  expect(consumed).toBeLessThan(readFlights().length)
})

test('a length of time that is none is refused', { timeout: TIMEOUT_MS }, async () => {
  const { code, stderr } = await demo(['--seconds', '-1'])
  expect(code).toBe(2)
  expect(stderr).toContain('a number of seconds, 0 or more')
})
