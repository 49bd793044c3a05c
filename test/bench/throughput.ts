import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { say } from '../../src/cli/print.ts'
import { Progress } from '../../src/cli/progress.ts'
import type { BenchWorker } from './bench-worker.ts'
import { type Figure, figure } from './figures.ts'
import { paymentRecords } from './input.ts'
import type { Stage } from './stage.ts'

// A topic full of payments, and a worker that starts and scores them all.

/** Measured between these shares of the outputs: what lies before is start-up and compilation, what lies behind the tail. */
const FROM = 0.2
const TO = 0.9
const LOOK_EVERY_MS = 50
/** Without progress for so long, the run is over. A worker takes a while to its first output. */
const SILENCE_MS = { first: 60_000, later: 15_000 }
const RECORDS_PER_SEND = 5_000

export interface ThroughputOptions {
  readonly events: number
  /** File for the outputs, JSON a line. */
  readonly keep: string | null
}

export interface ThroughputFigures {
  readonly events: number
  readonly outputs: number
  readonly deadLetters: number
  readonly eventsPerSecond: Figure
  /** User and system time of the worker's processes. */
  readonly cpuMicrosPerEvent: Figure
  readonly cores: Figure
  /** From the start of the process. */
  readonly firstOutputSeconds: Figure
  readonly totalSeconds: Figure
  readonly peakRssMb: Figure
  /** After SIGTERM. */
  readonly exit: number | string
}

/** Measures throughput. */
export async function throughput(
  stage: Stage,
  { events, keep }: ThroughputOptions,
): Promise<ThroughputFigures> {
  await produce(stage, events)
  const worker = stage.startWorker()
  const course = await worker.during(follow(stage, worker, events))
  const exit = await worker.stop()
  if (keep !== null) await keepOutputs(stage, keep)
  return { events, ...figuresOf(course), exit }
}

async function produce({ records, topics }: Stage, events: number): Promise<void> {
  const writer = records.writer()
  const input = paymentRecords(topics.payments, events)
  let sent = 0
  const progress = new Progress(() => ({ records: sent, share: sent / events }))
  try {
    while (sent < events) {
      const batch = input.next(Math.min(RECORDS_PER_SEND, events - sent))
      await writer.send(batch)
      sent += batch.length
    }
  } finally {
    progress.end()
    await writer.close()
  }
}

/** Where the worker is at some moment. */
interface Moment {
  /** Since its start. */
  readonly ms: number
  readonly outputs: number
  readonly deadLetters: number
  readonly cpuSeconds: number | null
  readonly peakRssBytes: number | null
}

interface Course {
  /** The first moments with any output, with a share of FROM, of TO; `null` when there was none. */
  readonly first: Moment | null
  readonly from: Moment | null
  readonly to: Moment | null
  readonly last: Moment
}

/**
 * Looks on until every event has an output or a dead letter. Outputs are counted by where their partitions end and not by
 * reading them: a reader takes CPU from the worker, and what it has read says how far the reader is.
 */
async function follow(stage: Stage, worker: BenchWorker, events: number): Promise<Course> {
  const startMs = performance.now()
  let last = await look(stage, worker, startMs)
  let course: Course = { first: null, from: null, to: null, last }
  const progress = new Progress(() => ({ records: last.outputs, share: last.outputs / events }))
  try {
    for (let movedMs = last.ms; done(last) < events; ) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
      const now = await look(stage, worker, startMs)
      if (done(now) > done(last)) movedMs = now.ms
      last = now
      course = {
        first: course.first ?? reached(now, 1),
        from: course.from ?? reached(now, FROM * events),
        to: course.to ?? reached(now, TO * events),
        last,
      }
      const silenceMs = course.first === null ? SILENCE_MS.first : SILENCE_MS.later
      if (now.ms - movedMs > silenceMs) {
        say(`nothing for ${silenceMs / 1_000} s: the run ends here`)
        break
      }
    }
  } finally {
    progress.end()
  }
  return course
}

async function look(stage: Stage, worker: BenchWorker, startMs: number): Promise<Moment> {
  const { predictions, deadLetters } = stage.topics
  const [outputs, dead] = await Promise.all([
    stage.countOf(predictions),
    stage.countOf(deadLetters),
  ])
  const { cpuSeconds = null, peakRssBytes = null } = worker.usage() ?? {}
  const ms = performance.now() - startMs
  return { ms, outputs, deadLetters: dead, cpuSeconds, peakRssBytes }
}

function done({ outputs, deadLetters }: Moment): number {
  return outputs + deadLetters
}

function reached(moment: Moment, outputs: number): Moment | null {
  return moment.outputs >= outputs ? moment : null
}

function figuresOf({ first, from, to, last }: Course): Omit<ThroughputFigures, 'events' | 'exit'> {
  const outputs = from && to && to.outputs - from.outputs
  const seconds = from && to && (to.ms - from.ms) / 1_000
  const cpu = difference(from?.cpuSeconds, to?.cpuSeconds)
  const over = (a: number | null, b: number | null) => (a === null || b === null ? null : a / b)
  const perEvent = over(cpu, outputs)
  return {
    outputs: last.outputs,
    deadLetters: last.deadLetters,
    eventsPerSecond: figure(over(outputs, seconds), 0),
    cpuMicrosPerEvent: figure(perEvent === null ? null : perEvent * 1e6, 1),
    cores: figure(over(cpu, seconds), 2),
    firstOutputSeconds: figure(first && first.ms / 1_000, 2),
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
      yield chunk.records.map(({ value }) => `${String(value)}\n`).join('')
    }
  }, createWriteStream(file))
}
