import { join } from 'node:path'
import { grouped } from '../../src/kernel/wording.ts'
import { ROOT } from '../support/paths.ts'
import { type Figure, figure } from './figures.ts'
import { VALUES, type Values } from './values.ts'

// The measurements of a run: each is a program in this folder, whose output becomes rows of the
// table.

/** All stages, in the order of the table. */
export const STAGES = ['codec', 'windows', 'score', 'encode', 'w1', 'latency', 'kill'] as const

/** The name of a stage. */
export type StageName = (typeof STAGES)[number]

/** One figure. */
export interface Row {
  readonly stage: StageName
  readonly what: string
  readonly figure: Figure
  readonly unit: string
}

/** A program that measures one or more stages. */
export interface Measurement {
  readonly title: string
  /** The stages of its rows. */
  readonly stages: readonly StageName[]
  /** A file in this folder and its arguments. It prints one JSON line. */
  readonly program: readonly string[]
  readonly isOnKafka: boolean
  /** The model whose outputs it can write for a check; `null`: it checks its own results. */
  readonly scoredBy: string | null
  readonly rowsOf: (told: unknown) => Row[]
}

const MODELS = ['card-gbdt', 'card-mlp']
const GUARANTEES = ['exactly-once', 'at-least-once']
const ROUNDS = 300
const PACE = { rate: 2_000, latencySeconds: 20, killSeconds: 24, kills: 3 }

/** All measurements. @param events payments of those that read a topic filled beforehand */
export function measurements(events: number): Measurement[] {
  return [
    recordBatches(),
    ...MODELS.map((model) => path(model, events)),
    ...GUARANTEES.flatMap((guarantee) =>
      MODELS.map((model) => w1({ model, guarantee, values: 'json', events })),
    ),
    ...VALUES.filter((values) => values !== 'json').map((values) =>
      w1({ model: 'card-gbdt', guarantee: 'exactly-once', values, events }),
    ),
    ...GUARANTEES.map(latency),
    kill('exactly-once'),
  ]
}

/** The ONNX file of a card model. */
export function modelFile(model: string): string {
  return join(ROOT, 'test/fixtures/models', `${model}.onnx`)
}

interface CodecTold {
  readonly cpuMicrosPerRecord: Readonly<Record<'decode' | 'encode' | 'copy', Figure>>
}

function recordBatches(): Measurement {
  return {
    title: 'record batches in memory',
    stages: ['codec', 'encode'],
    program: ['record-codec.ts', '--rounds', String(ROUNDS)],
    isOnKafka: false,
    scoredBy: null,
    rowsOf: (told) => {
      const { decode, encode, copy } = (told as CodecTold).cpuMicrosPerRecord
      const unit = 'ns CPU/record'
      return [
        { stage: 'codec', what: 'decode record batches', figure: nanos(decode), unit },
        { stage: 'codec', what: 'copy record batches', figure: nanos(copy), unit },
        { stage: 'encode', what: 'encode record batches', figure: nanos(encode), unit },
      ]
    },
  }
}

interface PathTold {
  readonly cpuMicrosPerEvent: Readonly<Record<'decode' | 'engine' | 'score' | 'outputs', Figure>>
}

/** Models differ only in the score stage: the other rows are those of the first model. */
function path(model: string, events: number): Measurement {
  const isFirst = model === MODELS[0]
  return {
    title: `W1 without Kafka, ${model}`,
    stages: isFirst ? ['codec', 'windows', 'score', 'encode'] : ['score'],
    program: ['hot-path.ts', '--events', String(events), '--model', modelFile(model)],
    isOnKafka: false,
    scoredBy: null,
    rowsOf: (told) => {
      const { decode, engine, score, outputs } = (told as PathTold).cpuMicrosPerEvent
      const unit = 'ns CPU/event'
      const ofModel: Row = { stage: 'score', what: model, figure: nanos(score), unit }
      if (!isFirst) return [ofModel]
      return [
        { stage: 'codec', what: 'decode JSON, check the schema', figure: nanos(decode), unit },
        { stage: 'windows', what: '13 features of W1', figure: nanos(engine), unit },
        ofModel,
        { stage: 'encode', what: 'make outputs, encode JSON', figure: nanos(outputs), unit },
      ]
    },
  }
}

interface W1 {
  readonly model: string
  readonly guarantee: string
  readonly values: Values
  readonly events: number
}

interface W1Told {
  readonly eventsPerSecond: Figure
  readonly cpuMicrosPerEvent: Figure
  readonly peakRssMb: Figure
}

function w1({ model, guarantee, values, events }: W1): Measurement {
  const what = [model, inWords(guarantee), ...(values === 'json' ? [] : [values])].join(', ')
  return {
    title: `W1 on Kafka, ${what}`,
    stages: ['w1'],
    program: [
      ...['bench.ts', 'throughput', '--events', String(events)],
      ...['--guarantee', guarantee, '--model', modelFile(model), '--values', values],
    ],
    isOnKafka: true,
    scoredBy: model,
    rowsOf: (told) => {
      const { eventsPerSecond, cpuMicrosPerEvent, peakRssMb } = told as W1Told
      return [
        { stage: 'w1', what, figure: cpuMicrosPerEvent, unit: 'µs CPU/event' },
        { stage: 'w1', what, figure: eventsPerSecond, unit: 'events/s' },
        { stage: 'w1', what, figure: peakRssMb, unit: 'MB peak RSS' },
      ]
    },
  }
}

interface LatencyTold {
  readonly latencyMs: Readonly<Record<'p50' | 'p99', Figure>>
}

function latency(guarantee: string): Measurement {
  const { rate, latencySeconds: seconds } = PACE
  const what = `${grouped(rate)}/s, ${inWords(guarantee)}`
  return {
    title: `latency, ${what}, for ${seconds} s`,
    stages: ['latency'],
    program: [
      ...['bench.ts', 'latency', '--guarantee', guarantee],
      ...['--rate', String(rate), '--seconds', String(seconds)],
    ],
    isOnKafka: true,
    scoredBy: null,
    rowsOf: (told) => {
      const { p50, p99 } = (told as LatencyTold).latencyMs
      return [
        { stage: 'latency', what, figure: p50, unit: 'ms p50' },
        { stage: 'latency', what, figure: p99, unit: 'ms p99' },
      ]
    },
  }
}

interface KillTold {
  /** One for each kill. */
  readonly nextOutputMs: readonly Figure[]
}

function kill(guarantee: string): Measurement {
  const { rate, killSeconds: seconds, kills } = PACE
  const what = `until the next output, ${inWords(guarantee)}`
  return {
    title: `kill -9, ${kills} times at ${grouped(rate)}/s, ${inWords(guarantee)}`,
    stages: ['kill'],
    program: [
      ...['bench.ts', 'kill', '--guarantee', guarantee, '--kills', String(kills)],
      ...['--rate', String(rate), '--seconds', String(seconds)],
    ],
    isOnKafka: true,
    scoredBy: null,
    rowsOf: (told) => {
      const all = (told as KillTold).nextOutputMs
      const sorted = all.filter((ms) => typeof ms === 'number').toSorted((a, b) => a - b)
      const at = (i: number) => figure((sorted[i] ?? Number.NaN) / 1_000, 2)
      return [
        { stage: 'kill', what, figure: at(sorted.length >> 1), unit: 's, median' },
        { stage: 'kill', what, figure: at(sorted.length - 1), unit: 's, longest' },
      ]
    },
  }
}

function nanos(micros: Figure): Figure {
  return typeof micros === 'number' ? figure(micros * 1_000, 0) : micros
}

function inWords(guarantee: string): string {
  return guarantee.replaceAll('-', ' ')
}
