import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { say } from '../../../src/cli/print.ts'
import { freePorts } from '../../services/ports.ts'
import type { BenchWorker } from '../bench-worker.ts'
import { type Figure, figure, machine, percentiles } from '../figures.ts'
import { wholeNumber } from '../flags.ts'
import { latencyOf } from '../latency.ts'
import { produceAtPace } from '../pace.ts'
import { paymentLines } from '../payments.ts'
import { onStage, type Stage } from '../stage.ts'
import { table } from '../table.ts'

// A worker under an even load that is asked about events: how long the answers take, and what they cost the stream. Each
// round measures a worker that answers no requests, one that nobody asks, and one that is asked; with --history, about one
// card with so many payments.
//   npx tsx test/bench/requests/asks.ts [--rate 2000] [--asks 200] [--seconds 60] [--rounds 3] [--history 100000]

interface Flags {
  readonly rate: number
  readonly asks: number
  readonly seconds: number
  readonly rounds: number
  readonly history: number
}

interface Measured {
  readonly kind: string
  /** Not measured with a history. */
  readonly streamP50: Figure
  readonly streamP99: Figure
  readonly cpuUs: Figure
  readonly askP50: Figure
  readonly askP99: Figure
  readonly statuses: string
}

const KINDS = ['no requests', 'nobody asks', 'asked'] as const
const CARD = 'c-history'
/** Answers of the first seconds are not measured, ms: code is being compiled. */
const WARM_UP = 10_000

async function measured(kind: string, flags: Flags): Promise<Measured> {
  const { rate, asks, seconds, history } = flags
  const options = {
    brokers: null,
    model: 'test/fixtures/models/card-gbdt.onnx',
    guarantee: 'exactly-once',
  }
  return onStage(options, async (stage) => {
    const [port = 0] = await freePorts(1)
    const worker = stage.startWorker(kind === 'no requests' ? [] : ['--predict-port', String(port)])
    await worker.during(worker.ready())
    if (history > 0) await remember(stage, history)
    const before = worker.usage()?.cpuSeconds ?? Number.NaN
    const asking = new Asking(port, { rate, history })
    const end = new AbortController()
    const asked = kind === 'asked' ? asking.run(asks, end.signal) : Promise.resolve()
    const streamed = await streamedAt(stage, worker, flags)
    end.abort()
    await asked
    const cpuSeconds = (worker.usage()?.cpuSeconds ?? Number.NaN) - before
    await worker.stop()
    return {
      kind,
      ...streamed,
      cpuUs: figure((cpuSeconds * 1e6) / (rate * seconds), 1),
      ...asking.figures,
    }
  })
}

/** The payments of a history have outputs of their own, which the measurement of latency would count. */
async function streamedAt(stage: Stage, worker: BenchWorker, { rate, seconds, history }: Flags) {
  if (history > 0) {
    const sentMs = new Float64Array(rate * seconds)
    await worker.during(produceAtPace(stage, { rate, sentMs }))
    return { streamP50: figure(null, 1), streamP99: figure(null, 1) }
  }
  const { latencyMs } = await latencyOf(worker, stage, { rate, seconds })
  return { streamP50: latencyMs.p50, streamP99: latencyMs.p99 }
}

/** Sends payments of one card, and waits for them. */
async function remember(stage: Stage, count: number): Promise<void> {
  const writer = stage.records.writer()
  const [line = ''] = paymentLines(1, 1)
  const first = JSON.parse(line.split('\t')[1] ?? '') as { readonly paidAt: number }
  for (let from = 0; from < count; from += 1_000) {
    await writer.write(
      Array.from({ length: 1_000 }, (_, i) => {
        const paidAt = first.paidAt - 3_600_000 + Math.floor(((from + i) * 3_500_000) / count)
        const payment = { ...first, cardId: CARD, paymentId: `h-${from + i}`, paidAt }
        const value = Buffer.from(JSON.stringify(payment))
        const key = Buffer.from(CARD)
        const own = { timestampMs: Date.now(), headers: [] }
        return { topic: stage.topics.payments, partition: null, key, value, ...own }
      }),
    )
  }
  await writer.close()
  while ((await stage.committed()) < count) await sleep(200)
}

/** Asks about events that are about to come, at a pace, over some connections. */
class Asking {
  readonly #port: number
  readonly #o: Pick<Flags, 'rate' | 'history'>
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 })
  readonly #ms: number[] = []
  readonly #statuses = new Map<number, number>()

  constructor(port: number, options: Pick<Flags, 'rate' | 'history'>) {
    this.#port = port
    this.#o = options
  }

  get figures(): Pick<Measured, 'askP50' | 'askP99' | 'statuses'> {
    const { p50, p99 } = percentiles(this.#ms)
    const statuses = [...this.#statuses].map(([status, count]) => `${status}: ${count}`).join(' ')
    return { askP50: p50, askP99: p99, statuses }
  }

  async run(asks: number, signal: AbortSignal): Promise<void> {
    const lines = paymentLines(Number.MAX_SAFE_INTEGER, 1)
    const each = Math.floor(this.#o.rate / asks)
    // Late ones would have no score: a second of the load is minutes of event time.
    for (let i = 0; i < this.#o.rate; i++) lines.next()
    const pending: Promise<void>[] = []
    const startMs = performance.now()
    for (let asked = 0; !signal.aborted; asked++) {
      let line = ''
      for (let i = 0; i < each; i++) line = lines.next().value as string
      const [, value = ''] = line.split('\t')
      const body =
        this.#o.history > 0 ? value.replace(/"cardId":"[^"]*"/, `"cardId":"${CARD}"`) : value
      await sleep(Math.max(0, startMs + (asked * 1_000) / asks - performance.now()))
      pending.push(this.#ask(body, performance.now() - startMs > WARM_UP))
    }
    await Promise.all(pending)
    this.#agent.destroy()
  }

  #ask(body: string, isMeasured: boolean): Promise<void> {
    const sentMs = performance.now()
    return new Promise((resolve, reject) => {
      const to = {
        port: this.#port,
        path: '/predict/card-fraud',
        method: 'POST',
        agent: this.#agent,
      }
      const asking = request(to, (response) => {
        response.resume().on('end', () => {
          const status = response.statusCode ?? 0
          this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1)
          if (isMeasured) this.#ms.push(performance.now() - sentMs)
          resolve()
        })
      })
      asking.on('error', reject)
      asking.end(body)
    })
  }
}

async function main(flags: Flags): Promise<void> {
  const all: Measured[] = []
  for (let round = 0; round < flags.rounds; round++) {
    for (const kind of KINDS) {
      const one = await measured(kind, flags)
      say(JSON.stringify(one))
      all.push(one)
    }
  }
  const rows = all.map((one) => Object.values(one).map(String))
  const shape = { right: [1, 2, 3, 4, 5] }
  for (const line of table([Object.keys(all[0] ?? {}), ...rows], shape)) say(line)
  console.log(JSON.stringify({ flags, all, machine: machine() }))
}

const number = (name: string, about: string, fallback: number) =>
  [`--${name} <number>`, about, wholeNumber, fallback] as const
await new Command('asks')
  .option(...number('rate', 'events a second', 2_000))
  .option(...number('asks', 'requests a second', 200))
  .option(...number('seconds', 'of each measurement', 60))
  .option(...number('rounds', 'of all kinds', 3))
  .option(...number('history', 'payments of the card that is asked about; 0: all cards are', 0))
  .action(main)
  .parseAsync()
