import { Command } from 'commander'
import { ListedRecords } from '../../src/connect/log-records.ts'
import { ScoreReader } from '../../src/engine/operators/score/scored-events.ts'
import { knownEvent, knownScored } from '../../src/formats/json/known-values.ts'
import { encodeOutput } from '../../src/formats/json/output.ts'
import { compileEncoder, type OutputEncoder } from '../../src/formats/json/output-encoder.ts'
import type { ScoredRows } from '../../src/formats/json/segments.ts'
import { ByteRoom } from '../../src/kernel/bytes.ts'
import { shortestFloat32 } from '../../src/scoring/runner.ts'
import { readFunction } from '../../src/topology/function-reading.ts'
import { modelDefinition } from '../../src/topology/models.ts'
import { Payment } from '../../topologies/payment.ts'
import { cardGbdt } from '../fixtures/models/card-gbdt.model.ts'
import { jsonFormatOf } from '../support/format.ts'
import { modelStep, stepAnswer } from '../support/score-steps.ts'
import { figure, machine } from './figures.ts'
import { mulberry32, paymentLines } from './payments.ts'
import w1 from './topologies/w1.ts'

// Measures the encoding of W1's outputs: from columns, and with JSON.stringify from one object for
// each output. One JSON line on stdout. npx tsx test/bench/output-encode.ts [--outputs 20000]
// [--rounds 20]

const BY = { label: 'card-gbdt@1', route: 'card-gbdt' }
const PASSES = 7

type Event = Record<'paymentId' | 'cardId' | 'paidAt', string | number>

/** The same scored payments in both forms. */
interface Input {
  readonly count: number
  readonly rows: ScoredRows
  readonly answered: Parameters<ScoreReader['read']>[1]
}

/** Well-formed payments of the stream, with scores distributed like the model's: mostly small. */
function input(count: number): Input {
  const values: Buffer[] = []
  for (const line of paymentLines(2 * count, 1)) {
    const value = line.slice(line.indexOf('\t') + 1)
    if (values.length < count && isPayment(value)) values.push(Buffer.from(value))
  }
  const records = new ListedRecords(
    values.map((value, offset) => ({ offset, timestampMs: 0, key: value, value, headers: [] })),
  )
  const events = format.events(count, (index) => records.at(index))
  const chunk = { from: { topic: 'payments', partition: 0 }, records, events, taken: [] }
  for (let i = 0; i < records.length; i++) format.add(chunk, i)
  const features = new Float32Array(count * cardGbdt.features.length)
  const random = mulberry32(1)
  const bell = () => random() + random() + random() - 1.5
  const scores = Float64Array.from({ length: count }, () => {
    return shortestFloat32(Math.fround(1 / (1 + Math.exp(5 - 3 * bell()))))
  })
  const indices = values.map((_, i) => i)
  const carried = new Float64Array(0)
  const made = values.map((value) => JSON.parse(String(value)) as Event)
  return {
    count,
    rows: { events, indices, scores: [scores], features, carried },
    answered: {
      ...{ indices, events: made, model: { rows: features, carried }, foundRows: null },
      scores: stepAnswer([scores]),
    },
  }
}

function isPayment(value: string): boolean {
  try {
    return Payment.safeParse(JSON.parse(value)).success
  } catch {
    return false
  }
}

function encoderOfW1(): OutputEncoder {
  const [features] = w1.then
  const [score] = features?.op === 'features' ? features.then : []
  const [map] = score?.op === 'score' ? score.then : []
  const reading = map?.op === 'map' ? readFunction(map.to) : { why: 'W1 has no map' }
  if ('why' in reading) throw new Error(reading.why)
  const scored = knownScored(knownEvent(format.forms), step, BY)
  const encoder = compileEncoder(reading.expression, scored)
  if (encoder === null) throw new Error('an output of W1 is not known')
  return encoder
}

const format = jsonFormatOf(w1)
const step = modelStep(modelDefinition(cardGbdt))
const room = new ByteRoom()
const encoder = encoderOfW1()
const reader = new ScoreReader(step, [BY])

function fromColumns({ count, rows }: Input): number {
  room.clear()
  for (let i = 0; i < count; i++) encoder(i, rows, room)
  return room.used
}

function fromObjects({ count, answered }: Input): number {
  let bytes = 0
  for (let i = 0; i < count; i++) {
    const s = reader.read(i, answered)
    const { paymentId, cardId, paidAt } = s.event as Event
    const probability = s.score['probability']
    bytes += encodeOutput({ paymentId, cardId, paidAt, probability, model: s.model }).length
  }
  return bytes
}

/** CPU time of the process for one output, µs. */
function microsOf(work: (given: Input) => number, given: Input, rounds: number): number {
  const started = process.cpuUsage()
  for (let round = 0; round < rounds; round++) work(given)
  const { user, system } = process.cpuUsage(started)
  return (user + system) / (rounds * given.count)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number
}

const command = new Command('output-encode.ts')
  .option('--outputs <n>', 'different outputs', Number, 20_000)
  .option('--rounds <n>', 'in each of 7 passes', Number, 20)
  .parse()
const { outputs, rounds } = command.opts<{ outputs: number; rounds: number }>()
const given = input(outputs)
const bytes = fromColumns(given)
if (bytes !== fromObjects(given)) throw new Error('the two ways write different bytes')
const columns: number[] = []
const objects: number[] = []
for (let pass = 0; pass < PASSES; pass++) {
  columns.push(microsOf(fromColumns, given, rounds))
  objects.push(microsOf(fromObjects, given, rounds))
}
console.log(
  JSON.stringify({
    outputs,
    bytesPerOutput: figure(bytes / outputs, 1),
    cpuMicrosPerOutput: {
      columns: figure(median(columns), 3),
      objects: figure(median(objects), 3),
    },
    timesFaster: figure(median(objects) / median(columns), 1),
    machine: machine(),
  }),
)
