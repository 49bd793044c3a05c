import { wallClock } from '../../src/kernel/clock.ts'
import { Arrivals, type Outcomes } from './arrivals.ts'
import { type Figure, figure } from './figures.ts'
import { produceAtPace } from './pace.ts'
import type { Stage } from './stage.ts'

// Measures a worker under an even load that is repeatedly killed with kill -9 and started again at
// once, with its default name.

const LOOK_EVERY_MS = 5

/** The load, and how often the worker is killed. */
export interface KillOptions {
  /** Events a second. */
  readonly rate: number
  readonly seconds: number
  /**
   * Spread evenly over the seconds. A kill waits until the worker has outputs again, and is left
   * out after the last outcome.
   */
  readonly kills: number
}

/** How long outputs pause after a kill. */
export interface KillFigures extends Outcomes {
  readonly events: number
  /** For each kill: the time until the next worker's first output could be read. */
  readonly nextOutputMs: readonly Figure[]
  /** Exit code or signal of the last worker, after SIGTERM. */
  readonly exit: number | string
}

/** Measures how long there are no outputs after a kill. */
export async function kill(
  stage: Stage,
  { rate, seconds, kills }: KillOptions,
): Promise<KillFigures> {
  const events = Math.round(rate * seconds)
  const arrivedMs: number[] = []
  const arrivals = new Arrivals(events, (_, nowMs) => {
    if (arrivedMs.at(-1) !== nowMs) arrivedMs.push(nowMs)
  })
  let worker = stage.startWorker()
  await worker.during(worker.ready())
  const killedMs: number[] = []
  const nextOutput = async () => {
    await worker.ready()
    const fromMs = performance.now()
    const hasCome = () => (arrivedMs.at(-1) ?? 0) >= fromMs
    while (!arrivals.isOver && !hasCome()) await wallClock.sleep(LOOK_EVERY_MS)
  }
  const killAll = async () => {
    const startMs = performance.now()
    for (let n = 1; n <= kills; n++) {
      const dueMs = startMs + (n / (kills + 1)) * seconds * 1_000
      await wallClock.sleep(Math.max(0, dueMs - performance.now()))
      await nextOutput()
      if (arrivals.isOver) break
      killedMs.push(performance.now())
      await worker.kill()
      worker = stage.startWorker()
    }
  }
  await Promise.all([
    killAll(),
    produceAtPace(stage, { rate, sentMs: new Float64Array(events) }),
    arrivals.follow(stage),
  ])
  const exit = await worker.stop()
  const nextOutputMs = killedMs.map((atMs, n) => {
    const untilMs = killedMs[n + 1] ?? Infinity
    return figure(longestSilence(arrivedMs, atMs, untilMs), 0)
  })
  return { events, ...arrivals.outcomes, nextOutputMs, exit }
}

/**
 * The time from a kill to the end of the longest silence after it. Outputs committed just before
 * the kill are still read just after it, and are not from the next worker.
 */
export function longestSilence(
  arrivedMs: readonly number[],
  fromMs: number,
  untilMs: number,
): number | null {
  let lastMs = fromMs
  let longestMs = 0
  let endMs: number | null = null
  for (const atMs of arrivedMs) {
    if (atMs <= fromMs || atMs >= untilMs) continue
    if (atMs - lastMs > longestMs) [longestMs, endMs] = [atMs - lastMs, atMs]
    lastMs = atMs
  }
  return endMs === null ? null : endMs - fromMs
}
