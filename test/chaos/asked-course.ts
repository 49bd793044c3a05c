import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Admin, Kafka, logLevel } from 'kafkajs'
import { say } from '../../src/cli/print.ts'
import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import { build } from '../bench/build.ts'
import { SEED } from '../bench/input.ts'
import { modelFile } from '../bench/measurements.ts'
import { produceAtPace } from '../bench/pace.ts'
import { mulberry32, paymentLines } from '../bench/payments.ts'
import { runArguments, topicsOf } from '../bench/stage.ts'
import { freePorts } from '../services/ports.ts'
import { createTopics } from '../services/topics.ts'
import { Workers } from '../soak/workers.ts'
import {
  ASKED_PARTITIONS,
  faultsOfAnswers,
  type GivenAnswer,
  type GivenBody,
} from './asked-answers.ts'

// Workers of card-fraud that are asked about payments while others come, and while one after the
// other is killed.

const NAMES = ['w1', 'w2', 'w3']
const START_WITHIN_MS = 120_000
/** Committed offsets are read again after it. */
const LOOK_EVERY_MS = 50
/** Requests on their way when a worker was killed have arrived by then, and none of the next. */
const SETTLED_MS = 300
/** Answers may come so much later than commits, besides the time that an answer takes anyway. */
const ANSWERS_LATER_MS = 1_000
/** Event time: half of the payments that are asked about are within the first of the next. */
const AHEAD_MS = [900_000, 4_000_000] as const
const BEHIND_MS = 20_000
/** Requests that wait; a client that has so many asks nothing more. */
const MOST_FLYING = 300

export interface AskedCourse {
  readonly brokers: readonly string[]
  readonly seconds: number
  /** Payments a second. */
  readonly perSecond: number
  readonly asksPerSecond: number
  readonly killEverySeconds: number
}

export interface AskedReport {
  readonly events: number
  /** The longest time that a payment was sent too late. */
  readonly behindMs: number
  /** By status, with its code: how many answers. */
  readonly answers: Readonly<Record<string, number>>
  /** The median time of an answer with 200: long where the processors are busy. */
  readonly answerMs: number
  readonly kills: readonly Kill[]
  readonly wrong: number
  /** The first ones. */
  readonly faults: readonly string[]
}

/** How long a partition of a killed worker was without commits, and without answers. */
interface Kill {
  readonly name: string
  readonly partition: number
  /** `null`: until the end. */
  readonly commitMs: number | null
  readonly answerMs: number | null
}

interface Life {
  readonly port: number
  fromMs: number
  untilMs: number
}

/** An answer, by `performance.now()`. */
interface Answered {
  readonly key: string
  readonly value: string
  readonly port: number
  readonly sentMs: number
  readonly doneMs: number
  /** `refused`: the port does not answer. */
  readonly status: number | 'refused'
  readonly retryAfter: string | null
  /** Another worker that has answered. */
  readonly answeredBy: string | null
  readonly body: GivenBody & { readonly code?: string; readonly error?: string }
}

interface Look {
  readonly atMs: number
  /** By partition. */
  readonly offsets: readonly number[]
}

export async function askWhileKilled(course: AskedCourse): Promise<AskedReport> {
  await build()
  const { brokers, seconds, perSecond } = course
  const group = `asked-${randomUUID().slice(0, 8)}`
  const topics = topicsOf(group)
  const records = new KafkaRecords({ brokers, clientId: 'tidemark-asked' })
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin()
  const names = Object.values(topics)
  await createTopics(
    { brokers: [...brokers] },
    records,
    names.map((name) => ({ name, partitions: ASKED_PARTITIONS })),
  )
  await admin.connect()
  const ports = new Map((await freePorts(NAMES.length)).map((port, i) => [`w${i + 1}`, port]))
  const workers = startWorkers(course, group, ports)
  const over = new AbortController()
  try {
    await Promise.race([workers.ready(), tooLate()])
    const sentMs = new Float64Array(seconds * perSecond)
    const downs: Life[] = []
    const killed: { name: string; atMs: number; partitions: readonly number[] }[] = []
    const asking = ask(course.asksPerSecond, { ports: [...ports.values()], sentMs }, over.signal)
    const looking = look(admin, { group, topic: topics.payments }, over.signal)
    const killing = async () => {
      const startMs = performance.now()
      for (let n = 0; (n + 2) * course.killEverySeconds <= seconds + 1; n++) {
        const dueMs = startMs + (n + 1) * course.killEverySeconds * 1_000
        await sleep(Math.max(0, dueMs - performance.now()))
        const name = NAMES[n % NAMES.length] as string
        const port = ports.get(name) as number
        const atMs = performance.now()
        killed.push({ name, atMs, partitions: partitionsOf(port, asking.answers) })
        const down = { port, fromMs: atMs, untilMs: Number.POSITIVE_INFINITY }
        downs.push(down)
        await workers.kill(name)
        down.untilMs = performance.now()
        say(`${name} was killed, and is back after ${((down.untilMs - atMs) / 1_000).toFixed(1)} s`)
      }
    }
    const producing = produceAtPace({ records, topics }, { rate: perSecond, sentMs })
    const [behindMs] = await Promise.all([producing, killing()])
    over.abort()
    const [answers, looks] = await Promise.all([asking.all, looking])
    await workers.stop()
    say(`${answers.length} answers; comparing them with the oracle`)
    const given = answers.filter(({ status }) => status === 200)
    const tookMs = given.map((answer) => answer.doneMs - answer.sentMs).toSorted((a, b) => a - b)
    const answerMs = Math.round(tookMs[tookMs.length >> 1] ?? 0)
    const wrong = await faultsOfAnswers(sentMs.length, given satisfies readonly GivenAnswer[])
    const kills = killed.flatMap((kill) => recoveries(kill, { answers, looks }))
    const faults = [
      ...wrong,
      ...answers.flatMap((answer) => faultOfOther(answer, downs)),
      ...kills.flatMap((kill) => faultOfKill(kill, answerMs)),
      ...workers.surprises,
    ]
    return {
      ...{
        events: sentMs.length,
        behindMs: Math.round(behindMs),
        answerMs,
        kills,
        wrong: wrong.length,
        faults,
      },
      answers: counted(
        answers.map(({ status, body }) => [status, body.code ?? ''].join(' ').trim()),
      ),
    }
  } finally {
    over.abort()
    await workers.stop()
    await records.close()
    await admin.deleteTopics({ topics: names })
    await admin.disconnect()
  }
}

async function tooLate(): Promise<never> {
  await sleep(START_WITHIN_MS, undefined, { ref: false })
  throw new Error(`the workers have not started after ${START_WITHIN_MS} ms`)
}

function startWorkers(
  { brokers }: AskedCourse,
  group: string,
  ports: ReadonlyMap<string, number>,
): Workers {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-asked-'))
  say(`logs: ${folder}`)
  const model = modelFile('card-gbdt')
  const run = runArguments({ brokers, model, group, guarantee: 'exactly-once' })
  return new Workers({
    names: NAMES,
    argumentsOf: (name) => {
      const port = String(ports.get(name))
      const asked = ['--predict-port', port, '--predict-advertise', `127.0.0.1:${port}`]
      return [...run, ...asked, '--worker-name', name, '--session-timeout', '6']
    },
    preloadsOf: () => [],
    rootOf: () => undefined,
    folder,
  })
}

/** Asks any port about payments like the ones that have just been sent, until it is over. */
function ask(
  asksPerSecond: number,
  { ports, sentMs }: { readonly ports: readonly number[]; readonly sentMs: Float64Array },
  over: AbortSignal,
): { readonly answers: readonly Answered[]; readonly all: Promise<readonly Answered[]> } {
  const answers: Answered[] = []
  const flying = new Set<Promise<void>>()
  const random = mulberry32(SEED)
  const lines = paymentLines(sentMs.length, SEED)
  let [line, read] = ['', 0]
  const askOne = (n: number) => {
    while ((sentMs[read] ?? 0) > 0) [line, read] = [lines.next().value ?? line, read + 1]
    const [key = '', payment = ''] = line.split('\t')
    const value = madeOf(payment, n, random)
    if (value === null) return
    const port = ports[Math.floor(random() * ports.length)] as number
    const fly = async () => {
      answers.push(await post(port, { key, value }))
      flying.delete(flight)
    }
    const flight = fly()
    flying.add(flight)
  }
  const all = async () => {
    const startMs = performance.now()
    for (let asked = 0; !over.aborted; await sleep(1)) {
      const due = ((performance.now() - startMs) / 1_000) * asksPerSecond
      for (; asked < due; asked++) if (flying.size < MOST_FLYING) askOne(asked)
    }
    await Promise.all(flying)
    return answers
  }
  return { answers, all: all() }
}

/** Another payment of the same card, mostly ahead in time; `null`: the line is no payment. */
function madeOf(line: string, n: number, random: () => number): string | null {
  const aheadMs = random() * (random() < 0.5 ? AHEAD_MS[0] : AHEAD_MS[1]) - BEHIND_MS
  const spoilt = /"amount":"|^(?!.*"merchantId")|[^}]$/
  if (spoilt.test(line)) return null
  const payment = JSON.parse(line) as { readonly paidAt: number }
  const paidAt = payment.paidAt + Math.round(aheadMs)
  return JSON.stringify({ ...payment, paymentId: `asked-${n}`, paidAt })
}

/** On a connection of its own, because a busy client may find a kept one closed. */
async function post(
  port: number,
  { key, value }: { readonly key: string; readonly value: string },
): Promise<Answered> {
  const sentMs = performance.now()
  const asked = { key, value, port, sentMs }
  const headers = { 'tidemark-key': key }
  const to = { port, path: '/predict/card-fraud', method: 'POST', headers, agent: false }
  try {
    const asking = request(to).end(value)
    const [answer] = (await once(asking, 'response')) as [IncomingMessage]
    const body = (await json(answer)) as Answered['body']
    const { statusCode: status = 0, headers: got } = answer
    const retryAfter = got['retry-after'] ?? null
    const answeredBy = (got['tidemark-answered-by'] as string | undefined) ?? null
    return { ...asked, doneMs: performance.now(), status, retryAfter, answeredBy, body }
  } catch (error) {
    const body = { error: String(error) } as Answered['body']
    const none = { status: 'refused', retryAfter: null, answeredBy: null } as const
    return { ...asked, ...none, doneMs: performance.now(), body }
  }
}

/** Reads what the group has committed, again and again. */
async function look(
  admin: Admin,
  { group, topic }: { readonly group: string; readonly topic: string },
  over: AbortSignal,
): Promise<readonly Look[]> {
  const looks: Look[] = []
  while (!over.aborted) {
    const atMs = performance.now()
    const [found] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
    const offsets = new Array<number>(ASKED_PARTITIONS).fill(0)
    for (const { partition, offset } of found?.partitions ?? []) offsets[partition] = Number(offset)
    looks.push({ atMs, offsets })
    await sleep(LOOK_EVERY_MS)
  }
  return looks
}

/** The partitions of which the worker at a port has given the last answer. */
function partitionsOf(port: number, answers: readonly Answered[]): readonly number[] {
  const last = new Map<number, string>()
  for (const { status, port: at, answeredBy, body } of answers) {
    if (status === 200) last.set(body.asOf.partition, answeredBy ?? `127.0.0.1:${at}`)
  }
  return [...last].flatMap(([partition, by]) => (by === `127.0.0.1:${port}` ? [partition] : []))
}

function recoveries(
  { name, atMs, partitions }: { name: string; atMs: number; partitions: readonly number[] },
  { answers, looks }: { answers: readonly Answered[]; looks: readonly Look[] },
): Kill[] {
  const after = looks.filter((of) => of.atMs >= atMs + SETTLED_MS)
  return partitions.map((partition): Kill => {
    const left = after[0]?.offsets[partition] ?? 0
    const committed = after.find(({ offsets }) => (offsets[partition] ?? 0) > left)
    const isBack = ({ status, sentMs, body }: Answered) =>
      status === 200 && sentMs >= atMs && body.asOf.partition === partition
    const backMs = Math.min(...answers.filter(isBack).map(({ doneMs }) => doneMs))
    const commitMs = committed === undefined ? null : Math.round(committed.atMs - atMs)
    const answerMs = Number.isFinite(backMs) ? Math.round(backMs - atMs) : null
    return { name, partition, commitMs, answerMs }
  })
}

function faultOfKill({ name, partition, commitMs, answerMs }: Kill, usualMs: number): string[] {
  const of = `partition ${partition} of ${name}, killed,`
  if (commitMs === null) return [`${of} had no commit any more`]
  if (answerMs !== null && answerMs <= commitMs + ANSWERS_LATER_MS + usualMs) return []
  return [`${of} had commits after ${commitMs} ms, and answers after ${answerMs} ms`]
}

function faultOfOther(
  { status, retryAfter, port, sentMs, doneMs, body }: Answered,
  downs: readonly Life[],
): string[] {
  if (status === 200) return []
  // By then its partition may be far ahead.
  if (status === 422 && body.code === 'LATE') return []
  if ((status === 503 || status === 429) && retryAfter !== null) return []
  const isDown = (down: Life) =>
    down.port === port && sentMs <= down.untilMs && doneMs >= down.fromMs
  if (status === 'refused' && downs.some(isDown)) return []
  const took = `after ${Math.round(doneMs - sentMs)} ms`
  return [`a request to ${port} got ${status} ${took}, at ${Math.round(sentMs)}: ${body.error}`]
}

function counted(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names.toSorted()) counts[name] = (counts[name] ?? 0) + 1
  return counts
}
