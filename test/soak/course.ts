import { randomUUID } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Admin, Kafka, logLevel } from 'kafkajs'
import { say } from '../../src/cli/print.ts'
import { Progress } from '../../src/cli/progress.ts'
import { runArguments, topicsOf } from '../bench/stage.ts'
import { check, runFile, startWatch, type Verdict } from './checker.ts'
import { feed } from './feed.ts'
import { type MemoryFigures, memoryFigures } from './memory.ts'
import { Workers } from './workers.ts'

// From fresh topics to a verdict on what stands in them.

/** For the first workers to have their partitions, and for the watch to have seen something. */
const START_WITHIN_MS = 120_000
/** What feeding may take longer than planned. */
const FEED_SLACK_MS = 120_000
/** After the last payment, for the workers to be through. */
const FINISH_WITHIN_MS = 180_000
const CHECK_WITHIN_MS = 600_000
/** The payments are ten a second of event time, and the longest window of card-fraud is 24 h. */
const LONGEST_WINDOW_EVENTS = 10 * 86_400
const ASK_EVERY_MS = 500
const CLIENT = { logLevel: logLevel.NOTHING } as const

export interface SoakOptions {
  readonly brokers: readonly string[]
  readonly model: string
  readonly seconds: number
  readonly perSecond: number
  readonly workers: number
  readonly killEverySeconds: number
  readonly partitions: number
  readonly guarantee: string
  /** More flags for each worker; `{name}` stands for its name. */
  readonly workerFlags: readonly string[]
}

export interface Report {
  readonly fed: number
  readonly seconds: number
  readonly kills: number
  /** From the last payment to its commit; `null`: the workers did not come through. */
  readonly finishSeconds: number | null
  /** Workers that ended without being told to, or not as told. */
  readonly surprises: readonly string[]
  readonly memory: MemoryFigures
  readonly verdict: Verdict
  /** The logs of the workers, what was noted, and what the checker was told. */
  readonly folder: string
}

/** Holds while the soak does its work, and is gone after. */
interface Ground {
  readonly options: SoakOptions
  readonly group: string
  readonly folder: string
  readonly admin: Admin
  readonly workers: Workers
}

/** Soaks, and tells what came of it. Aborted, it ends its workers and rejects. */
export async function soak(options: SoakOptions, aborted: Promise<never>): Promise<Report> {
  const group = `soak-${randomUUID().slice(0, 8)}`
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-soak-'))
  say(`logs and notes: ${folder}`)
  const admin = new Kafka({ brokers: [...options.brokers], ...CLIENT }).admin()
  await admin.connect()
  const topics = Object.values(topicsOf(group))
  const { partitions } = options
  await admin.createTopics({ topics: topics.map((t) => ({ topic: t, numPartitions: partitions })) })
  const workers = new Workers({
    names: Array.from({ length: options.workers }, (_, i) => `w${i + 1}`),
    argumentsOf: (name) => [
      ...runArguments({ ...options, group }),
      ...options.workerFlags.map((flag) => flag.replaceAll('{name}', name)),
    ],
    folder,
  })
  let isFaulty = false
  try {
    const ground = { options, group, folder, admin, workers }
    const report = await Promise.race([course(ground), aborted])
    isFaulty = !report.verdict.ok
    return report
  } finally {
    await workers.stop()
    // Whoever brought the brokers can look at the logs.
    if (!isFaulty) await admin.deleteTopics({ topics })
    await admin.disconnect()
  }
}

async function course({ options, group, folder, admin, workers }: Ground): Promise<Report> {
  const { payments: input, predictions, deadLetters } = topicsOf(group)
  const brokers = options.brokers.join(',')
  const mayRepeat = options.guarantee === 'at-least-once'
  const of = { brokers, group, input, predictions, deadLetters, mayRepeat }
  await within(START_WITHIN_MS, 'the workers have their partitions', workers.ready())
  const notes = join(folder, 'notes.ndjson')
  const watch = startWatch(runFile(folder, 'watch', { ...of, fed: 0, notes: null }), notes)
  try {
    await within(
      START_WITHIN_MS,
      'the watch has begun',
      watch.until(() => true),
    )
    const startMs = performance.now()
    const { fed, kills } = await feedAndKill(options, input, workers)
    const seconds = (performance.now() - startMs) / 1_000
    say(`${fed} payments are fed; waiting until all are committed`)
    const finishSeconds = await untilCommitted(admin, group, input)
    await workers.stop()
    await watch.stop()
    const fullMs = (LONGEST_WINDOW_EVENTS / options.perSecond) * 1_000
    const run = runFile(folder, 'check', { ...of, fed, notes })
    const [verdict] = await check([run], { timeoutMs: CHECK_WITHIN_MS, tell: say })
    return {
      ...{ fed, seconds, kills, finishSeconds, surprises: workers.surprises },
      ...{ memory: memoryFigures(workers.memory, fullMs), verdict: verdict as Verdict, folder },
    }
  } finally {
    await watch.stop()
  }
}

async function feedAndKill(
  { brokers, seconds, perSecond, killEverySeconds }: SoakOptions,
  topic: string,
  workers: Workers,
): Promise<{ fed: number; kills: number }> {
  let sent = 0
  let kills = 0
  const progress = new Progress(() => ({ records: sent, share: sent / (seconds * perSecond) }))
  const killing = setInterval(() => {
    say(`kill -9 ${++kills}: ${workers.killAny()}`)
  }, killEverySeconds * 1_000)
  try {
    const fed = feed({ brokers, topic, perSecond, seconds }, (n) => {
      sent = n
    })
    return {
      fed: await within(seconds * 1_000 + FEED_SLACK_MS, 'all payments are fed', fed),
      kills,
    }
  } finally {
    clearInterval(killing)
    progress.end()
  }
}

/** Asks without the driver under test. */
async function untilCommitted(admin: Admin, group: string, topic: string): Promise<number | null> {
  const startMs = performance.now()
  const ends = await admin.fetchTopicOffsets(topic)
  for (;;) {
    const [found] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
    const committed = new Map(found?.partitions.map((p) => [p.partition, p.offset]))
    const tookMs = performance.now() - startMs
    const isThrough = ends.every((p) => p.high === '0' || committed.get(p.partition) === p.high)
    if (isThrough) return tookMs / 1_000
    if (tookMs > FINISH_WITHIN_MS) return null
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS))
  }
}

/** @throws Error when it takes longer */
async function within<R>(ms: number, what: string, work: Promise<R>): Promise<R> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not after ${ms / 1_000} s: ${what}`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
