import { basename, resolve } from 'node:path'
import { Command } from 'commander'
import { BatchEncoder } from '../../src/connect/kafka/codec/encode.ts'
import type { LogRecords } from '../../src/connect/port.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { ReadyBatch, StepScores } from '../../src/engine/events.ts'
import { wallClock } from '../../src/kernel/clock.ts'
import { atOnce, Slices } from '../../src/kernel/slices.ts'
import { PassedHeaders } from '../../src/runtime/output/headers.ts'
import { Produced } from '../../src/runtime/output/outputs.ts'
import { chunkHeaders, decisionHeaders } from '../../src/runtime/output/provenance.ts'
import { limitsOf } from '../../src/runtime/output/topic-limits.ts'
import { RecordDecoder } from '../../src/runtime/partition/record-decoder.ts'
import type { Prepared, PreparedTopology } from '../../src/runtime/prepared.ts'
import type { StepBatch } from '../../src/scoring/step-answer.ts'
import type { StepScorer } from '../../src/scoring/step-scorer.ts'
import type { Definition, ScoreStep } from '../../src/topology/definition.ts'
import { engineFor } from '../engine/engine-for.ts'
import { whole } from '../engine/whole.ts'
import { decodeRecords, encodeBatches, NO_PRODUCER } from '../support/batches.ts'
import { prepare } from '../support/in-process.ts'
import { build } from './build.ts'
import { collected } from './collected.ts'
import { figure, machine } from './figures.ts'
import { paymentRecords } from './input.ts'

// Measures the path of an event through one task, without Kafka: the CPU time of each stage, and
// the memory of a key. One process, one partition. One JSON line on stdout. npx tsx
// test/bench/hot-path.ts [--events 300000] [--model FILE] [--topology w1-iso] [--beside w1]

const CHUNK = 2_000
/** Share of the events at the start that is run but not counted, while code is compiled. */
const WARM_UP = 0.2
const PASSED = new PassedHeaders()
const UNCUT = new Slices(() => 0)
const TOPIC_LIMITS = limitsOf(undefined)
const SOURCE = { topic: 'payments', partition: 0 }

const WRITTEN = { maxBytes: 2 ** 30, producer: NO_PRODUCER, compression: 'none' } as const
const READ = { partition: 'payments-0', fromOffset: 0, aborted: [] }

const STAGES = ['decode', 'engine', 'score', 'outputs'] as const

/**
 * Sums the time of each stage: user and system time of the process, which does not include other
 * processes on the machine.
 */
class Stopwatch {
  micros = { decode: 0, engine: 0, score: 0, outputs: 0 }
  #last = 0

  start(): void {
    this.#last = cpuMicros()
  }

  /** Adds the time since the start, or since the previous lap, to this stage. */
  lap(stage: (typeof STAGES)[number]): void {
    const now = cpuMicros()
    this.micros[stage] += now - this.#last
    this.#last = now
  }

  clear(): void {
    this.micros = { decode: 0, engine: 0, score: 0, outputs: 0 }
  }
}

/**
 * CPU time of all threads: that of the garbage collector and a scoring thread counts for the stage
 * in which they run.
 */
function cpuMicros(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** The stages of a task, one after the other. */
class Path {
  readonly engine: Engine
  readonly #topology: PreparedTopology
  readonly #watch: Stopwatch
  readonly #decoder: RecordDecoder

  constructor(topology: PreparedTopology, watch: Stopwatch) {
    const { definition, format, lookup, scorers } = topology
    const { reader, forms } = format
    const scoring = ({ name }: ScoreStep) => {
      const scorer = scorers.get(name) as StepScorer
      const by = scorer.decisions.map(({ route, scorer: of }) => ({ route, label: of.label }))
      return { by, score: (batch: StepBatch) => scorer.score(batch), reused: () => {} }
    }
    this.engine = engineFor(definition, { lookup, reader, forms, scoring })
    this.#topology = topology
    this.#watch = watch
    this.#decoder = new RecordDecoder(definition.source, format, {
      from: { topic: 'events', partition: 0 },
      partitions: null,
      keyNumbers: this.engine.keyNumbers,
    })
  }

  /** Processes a chunk and returns the number of outputs. */
  async take(chunk: LogRecords): Promise<number> {
    const { by, scorers } = this.#topology
    this.#watch.start()
    const { batch, records } = atOnce(this.#decoder.decode(chunk, UNCUT))
    this.#watch.lap('decode')
    const [ready] = whole(this.engine.process(batch)).ready as [ReadyBatch]
    this.#watch.lap('engine')
    const scores = (await ready.model?.ask()) as StepScores
    this.#watch.lap('score')
    const from = {
      records,
      source: SOURCE,
      nextOffset: 0,
      present: wallClock.present(),
      headers: chunkHeaders(by, Date.now()),
      passed: PASSED,
      topicLimits: () => TOPIC_LIMITS,
      formats: new Map(),
    }
    const { decisions } = scorers.get(ready.step.name) as StepScorer
    const passed = ready.pass(scores)
    const { decided } = scores
    const headers = decisions.map(decisionHeaders)
    const { outputs } = new Produced(ready, { passed, from, decided, headers }).write()
    this.#watch.lap('outputs')
    return outputs.records.length
  }
}

async function prepareCards(model: string, topology: string): Promise<Prepared> {
  await build()
  const file = new URL(`./topologies/${topology}.ts`, import.meta.url)
  const { default: definition } = (await import(file.href)) as { default: Definition }
  const models = { 'card-gbdt': resolve(model) }
  return prepare([definition], { models })
}

/**
 * Payments as they are read from a log, one batch a chunk. They are made lazily: the garbage
 * collector would mark a million existing records again and again, at the stages' expense.
 */
function* paymentChunks(count: number, isIso: boolean): Generator<LogRecords> {
  const payments = paymentRecords(SOURCE.topic, count, isIso)
  const encoder = new BatchEncoder()
  for (let left = count; left > 0; left -= CHUNK) {
    const [batch] = encodeBatches(payments.next(Math.min(CHUNK, left)), WRITTEN, encoder)
    yield decodeRecords(Buffer.from(batch?.bytes ?? []), READ)
  }
}

async function measure({ events, model, topology }: Flags): Promise<object> {
  const prepared = await prepareCards(model, topology)
  const before = collected()
  const watch = new Stopwatch()
  const path = new Path(prepared.topologies[0] as PreparedTopology, watch)
  let taken = 0
  let counted = 0
  let outputs = 0
  for (const chunk of paymentChunks(events, topology === 'w1-iso')) {
    outputs += await path.take(chunk)
    taken += chunk.length
    if (taken <= WARM_UP * events) watch.clear()
    else counted += chunk.length
  }
  const after = collected()
  const bytes = after.heap + after.outside - before.heap - before.outside
  const { keys } = path.engine.use
  await prepared.close()
  const perEvent = STAGES.map((stage) => [stage, figure(watch.micros[stage] / counted, 2)])
  const sum = STAGES.reduce((all, stage) => all + watch.micros[stage], 0)
  return {
    outputs,
    cpuMicrosPerEvent: { ...Object.fromEntries(perEvent), sum: figure(sum / counted, 2) },
    keys,
    bytesPerKey: figure(bytes / keys, 0),
  }
}

/** One of two topologies that take chunks in turn, so that other work on the machine hits both. */
async function openInTurn(topology: string, { events, model }: Flags) {
  const prepared = await prepareCards(model, topology)
  const watch = new Stopwatch()
  const path = new Path(prepared.topologies[0] as PreparedTopology, watch)
  const chunks = paymentChunks(events, topology === 'w1-iso')
  /** µs of CPU an event, by chunk. */
  const costs: number[] = []
  const take = async () => {
    const chunk = chunks.next().value as LogRecords
    watch.clear()
    await path.take(chunk)
    costs.push(STAGES.reduce((all, stage) => all + watch.micros[stage], 0) / chunk.length)
  }
  return { take, costs, close: () => prepared.close() }
}

/** The CPU time of a topology over that of another in the same process. */
async function compare(topology: string, beside: string, flags: Flags): Promise<object> {
  const own = await openInTurn(topology, flags)
  const other = await openInTurn(beside, flags)
  const count = Math.ceil(flags.events / CHUNK)
  for (let chunk = 0; chunk < count; chunk++) {
    const [first, second] = chunk % 2 === 0 ? [own, other] : [other, own]
    await first.take()
    await second.take()
  }
  const from = Math.ceil(count * WARM_UP)
  const [costs, others] = [own.costs.slice(from), other.costs.slice(from)]
  await Promise.all([own.close(), other.close()])
  return {
    cpuMicrosPerEvent: figure(median(costs), 2),
    cpuMicrosPerEventBeside: figure(median(others), 2),
    ratioOfMedians: figure(median(costs) / median(others), 3),
    medianOfRatios: figure(median(costs.map((cost, i) => cost / (others[i] as number))), 3),
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number
}

interface Flags {
  readonly events: number
  readonly model: string
  readonly topology: string
  readonly beside?: string
}

const command = new Command('hot-path.ts')
  .option('--events <n>', 'payments', Number, 300_000)
  .option('--model <file>', 'ONNX file to score with', 'test/fixtures/models/card-gbdt.onnx')
  .option('--topology <name>', 'one of test/bench/topologies', 'w1')
  .option('--beside <name>', 'another one, which takes the same payments in turn')
  .parse()
const flags = command.opts<Flags>()
const { topology, beside } = flags
const figures = await (beside === undefined ? measure(flags) : compare(topology, beside, flags))
const what = { ...flags, model: basename(flags.model) }
console.log(JSON.stringify({ ...what, ...figures, machine: machine() }))
