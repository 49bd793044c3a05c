import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { say } from '../../src/cli/print.ts'
import { showProgress } from '../../src/cli/progress.ts'
import { Arrivals, type Outcomes } from './arrivals.ts'
import { type BenchWorker, profiledInto } from './bench-worker.ts'
import { type Figure, figure } from './figures.ts'
import { paymentRecords } from './input.ts'
import type { Stage } from './stage.ts'
import { encoderOf, type Values } from './values.ts'

// Measures a worker that starts on a topic full of payments and scores them all.

/**
 * The measured span, as shares of the payments: before it are start-up and compilation, after it
 * the tail.
 */
const FROM = 0.2
const TO = 0.9
const LOOK_EVERY_MS = 50
/**
 * The run ends after this time without progress: longer than a worker on a busy machine takes to
 * its first output.
 */
const SILENCE_MS = 60_000
const RECORDS_PER_SEND = 5_000

export interface ThroughputOptions {
  readonly events: number
  /** The format of the payments. */
  readonly values: Values
  /** Are the times of the payments text? */
  readonly isIso: boolean
  /** More flags for the worker. */
  readonly flags: readonly string[]
  /** File for the outputs, JSON a line. */
  readonly keep: string | null
  /** File for a CPU profile of the worker's main thread in the measured span. */
  readonly profile: string | null
}

/** The throughput of a worker. */
export interface ThroughputFigures extends Outcomes {
  readonly events: number
  readonly eventsPerSecond: Figure
  /** User and system time of the worker's processes. */
  readonly cpuMicrosPerEvent: Figure
  /** The main thread's part of `cpuMicrosPerEvent`. */
  readonly mainThreadMicrosPerEvent: Figure
  readonly cores: Figure
  /** From the start of the process. */
  readonly firstCommitSeconds: Figure
  readonly totalSeconds: Figure
  readonly peakRssMb: Figure
  /** Exit code or signal after SIGTERM. */
  readonly exit: number | string
}

/** Measures throughput. */
export async function throughput(
  stage: Stage,
  { events, values, isIso, flags, keep, profile }: ThroughputOptions,
): Promise<ThroughputFigures> {
  await produce(stage, { events, values, isIso })
  const worker = stage.startWorker(flags, profile === null ? {} : profiledInto(profile))
  const toggleProfile = () => (profile === null ? undefined : worker.toggleProfile())
  const course = await worker.during(follow(stage, { worker, events, toggleProfile }))
  const exit = await worker.stop()
  const arrivals = new Arrivals(events)
  await arrivals.follow(stage)
  if (keep !== null) await keepOutputs(stage, keep)
  return { events, ...arrivals.outcomes, ...figuresOf(course), exit }
}

async function produce(
  { records, topics }: Stage,
  { events, values, isIso }: Pick<ThroughputOptions, 'events' | 'values' | 'isIso'>,
): Promise<void> {
  const encode = encoderOf(values)
  const writer = records.writer()
  const input = paymentRecords(topics.payments, events, isIso)
  let sent = 0
  const endProgress = showProgress(() => sent)
  try {
    while (sent < events) {
      const batch = input.next(Math.min(RECORDS_PER_SEND, events - sent))
      await writer.write(batch.map((of) => ({ ...of, value: encode(of.value as Buffer) })))
      sent += batch.length
    }
  } finally {
    endProgress()
    await writer.close()
  }
}

/** The state of the worker at one moment. */
interface Moment {
  /** Since its start. */
  readonly ms: number
  /** Payments whose outcomes are committed. */
  readonly committed: number
  readonly cpuSeconds: number | null
  readonly mainThreadSeconds: number | null
  readonly peakRssBytes: number | null
}

interface Course {
  /**
   * The first moments with anything committed, with the share FROM, and with TO; `null` if not
   * reached.
   */
  readonly first: Moment | null
  readonly from: Moment | null
  readonly to: Moment | null
  readonly last: Moment
}

interface Followed {
  readonly worker: BenchWorker
  readonly events: number
  /** Called at both ends of the measured span. */
  readonly toggleProfile: () => void
}

/**
 * Polls until everything is committed. Progress is measured by the group's committed offsets. A
 * reader of the outputs would take CPU from the worker, and the end offsets of the outputs include
 * transaction markers.
 */
async function follow(stage: Stage, { worker, events, toggleProfile }: Followed): Promise<Course> {
  const startMs = performance.now()
  let last = await look(stage, worker, startMs)
  let course: Course = { first: null, from: null, to: null, last }
  const endProgress = showProgress(() => last.committed)
  try {
    for (let movedMs = last.ms; last.committed < events; ) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
      const now = await look(stage, worker, startMs)
      if (now.committed > last.committed) movedMs = now.ms
      last = now
      course = {
        first: course.first ?? reached(now, 1),
        from: course.from ?? reached(now, FROM * events),
        to: course.to ?? reached(now, TO * events),
        last,
      }
      // If both are reached at once, there is no span.
      if ((course.from === now) !== (course.to === now)) toggleProfile()
      if (now.ms - movedMs > SILENCE_MS) {
        say(`no commit for ${SILENCE_MS / 1_000} s: the run ends here`)
        break
      }
    }
  } finally {
    endProgress()
  }
  return course
}

async function look(stage: Stage, worker: BenchWorker, startMs: number): Promise<Moment> {
  const committed = await stage.committed()
  const { cpuSeconds = null, mainThreadSeconds = null, peakRssBytes = null } = worker.usage() ?? {}
  const ms = performance.now() - startMs
  return { ms, committed, cpuSeconds, mainThreadSeconds, peakRssBytes }
}

function reached(moment: Moment, committed: number): Moment | null {
  return moment.committed >= committed ? moment : null
}

type CourseFigures = Omit<ThroughputFigures, keyof Outcomes | 'events' | 'exit'>

function figuresOf({ first, from, to, last }: Course): CourseFigures {
  const events = from && to && to.committed - from.committed
  const seconds = from && to && (to.ms - from.ms) / 1_000
  const cpu = difference(from?.cpuSeconds, to?.cpuSeconds)
  const over = (a: number | null, b: number | null) => (a === null || b === null ? null : a / b)
  const perEvent = (used: number | null) => {
    const each = over(used, events)
    return figure(each === null ? null : each * 1e6, 1)
  }
  return {
    eventsPerSecond: figure(over(events, seconds), 0),
    cpuMicrosPerEvent: perEvent(cpu),
    mainThreadMicrosPerEvent: perEvent(difference(from?.mainThreadSeconds, to?.mainThreadSeconds)),
    cores: figure(over(cpu, seconds), 2),
    firstCommitSeconds: figure(first && first.ms / 1_000, 2),
    totalSeconds: figure(last.ms / 1_000, 2),
    peakRssMb: figure(last.peakRssBytes === null ? null : last.peakRssBytes / 1e6, 0),
  }
}

function difference(from: number | null | undefined, to: number | null | undefined): number | null {
  return typeof from === 'number' && typeof to === 'number' ? to - from : null
}

async function keepOutputs({ records, topics }: Stage, file: string): Promise<void> {
  const reader = await records.read({ topic: topics.predictions, from: 'earliest', until: 'end' })
  await pipeline(async function* lines() {
    for await (const chunk of reader) {
      yield Array.from(chunk.records, ({ value }) => `${String(value)}\n`).join('')
    }
  }, createWriteStream(file))
}
