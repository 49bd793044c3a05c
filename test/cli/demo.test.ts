import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { readFlights } from '../../src/cli/demo/flights.ts'
import { usageOf } from '../bench/process-usage.ts'
import { PROCESS_TEST_MS, start } from '../services/tidemark-in-test.ts'
import { type Ended, tidemark } from '../support/command-line.ts'
import { ROOT } from '../support/paths.ts'

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

/**
 * Runs the demo until its first prediction, and then interrupts it. Returns how long that prediction
 * took, ms; on a busy machine a process waits for a core, and that is not its doing.
 */
async function interruptedDemo() {
  const startMs = performance.now()
  const run = start(['demo'])
  const [line] = (await once(run.process.stdout, 'data')) as [string]
  const wallMs = performance.now() - startMs
  const { cpuSeconds = Infinity } = usageOf(run.process.pid as number) ?? {}
  run.process.kill('SIGINT')
  expect(line).toMatch(/ left .* % to arrive late/)
  return { firstMs: Math.min(wallMs, cpuSeconds * 1_000), ...(await run.ended) }
}

/**
 * What loading TypeScript takes of a core on which 3 s are meant, ms; a start mostly loads
 * libraries.
 */
const USUAL_LOADING_MS = 300

/** The same here and now, ms. */
async function loadingMs(): Promise<number> {
  const script = `require('typescript'); const { user, system } = process.cpuUsage(); console.log((user + system) / 1_000)`
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { cwd: ROOT })
  return Number(stdout)
}

test('the first prediction is there within 3 s; an interrupt then ends the demo with what there is so far, and 0', {
  timeout: PROCESS_TEST_MS,
}, async () => {
  // Two threads of one core get less done in the same time, and a shared machine less at some
  // hours: what a start takes is held against what loading takes just then, and the best of a few
  // tells.
  let fastestMs = Number.POSITIVE_INFINITY
  for (let i = 0; i < 4 && fastestMs >= 3_000; i++) {
    const isSlowerBy = Math.max(1, (await loadingMs()) / USUAL_LOADING_MS)
    const { firstMs, code, stderr } = await interruptedDemo()
    fastestMs = Math.min(fastestMs, firstMs / isSlowerBy)
    expect({ code, stderr }).toMatchObject({ code: 0 })
    const [consumed = 0, ...parts] = tallyIn(stderr)
    expect(parts.reduce((sum, n) => sum + n, 0)).toBe(consumed)
    expect(consumed).toBeGreaterThan(0)
    expect(consumed).toBeLessThan(readFlights().length)
  }
  expect(fastestMs).toBeLessThan(3_000)
})

test('a length of time that is none is refused', async () => {
  const { code, stderr } = await tidemark(['demo', '--seconds', '-1'])
  expect(code).toBe(2)
  expect(stderr).toContain('a number of seconds, 0 or more')
})
