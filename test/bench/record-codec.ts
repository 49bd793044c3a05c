import { Command } from 'commander'
import { BatchEncoder, type EncodeOptions } from '../../src/connect/kafka/codec/encode.ts'
import type { OutgoingRecord } from '../../src/connect/record-format.ts'
import { WrittenRecords } from '../../src/connect/written-records.ts'
import { COMPRESSIONS, type Compression, compressionFault } from '../../src/kernel/kafka.ts'
import { atOnce } from '../../src/kernel/slices.ts'
import { decodeWithKafkajs, encodeWithKafkajs } from '../connect/codec/kafkajs-codec.ts'
import { decodeRecords, encodeBatches, NO_PRODUCER } from '../support/batches.ts'
import { figure, machine } from './figures.ts'
import { paymentRecords } from './input.ts'

// Measures the codec of record batches, warm, on batches of payments, in each compression that this
// Node can write, and kafkajs' codec on the same bytes. One JSON line on stdout. npx tsx
// test/bench/record-codec.ts [--records 1000] [--rounds 1000]

const OPTIONS: EncodeOptions = { maxBytes: 2 ** 30, producer: NO_PRODUCER, compression: 'none' }
/** Several different batches, so that the branch predictor cannot learn them. */
const BATCHES = 10
const PASSES = 5
/** kafkajs and compression run this many times less often, so that a run takes seconds. */
const FEWER = 10

interface Input {
  readonly records: readonly OutgoingRecord[]
  readonly set: Buffer
}

function input(perBatch: number, options: EncodeOptions = OPTIONS): Input[] {
  const encoder = new BatchEncoder()
  const payments = paymentRecords('payments', perBatch * BATCHES)
  return Array.from({ length: BATCHES }, () => {
    const records = payments.next(perBatch)
    const [batch] = encodeBatches(records, options, encoder)
    return { records, set: Buffer.from(batch?.bytes ?? []) }
  })
}

/**
 * CPU time of the process for one record in the best pass, µs: the one with compiled code and the
 * least disturbance.
 */
async function microsOf(
  inputs: readonly Input[],
  rounds: number,
  work: (one: Input) => number | Promise<number>,
): Promise<number> {
  let best = Number.POSITIVE_INFINITY
  for (let pass = 0; pass < PASSES; pass++) {
    let records = 0
    const started = process.cpuUsage()
    for (let i = 0; i < rounds; i++) {
      const done = work(inputs[i % BATCHES] as Input)
      records += typeof done === 'number' ? done : await done
    }
    const { user, system } = process.cpuUsage(started)
    best = Math.min(best, (user + system) / records)
  }
  return best
}

const TOPIC = 'payments'
const READ = { partition: 'payments-0', fromOffset: 0, aborted: [] }

function decode({ set }: Input): number {
  return decodeRecords(set, READ).length
}

/** Also makes an object for each record, with views of key and value. */
function decodeToObjects({ set }: Input): number {
  const records = decodeRecords(set, READ)
  let bytes = 0
  for (let i = 0; i < records.length; i++) bytes += records.at(i).value?.length ?? 0
  return bytes === 0 ? 0 : records.length
}

/** Decodes records and encodes them again, one at a time, without looking into them. */
function copy({ set }: Input): number {
  const records = decodeRecords(set, READ)
  const copies = new WrittenRecords(records.length)
  for (const record of records) copies.write(record, TOPIC, 0)
  encoder.begin()
  atOnce(encoder.encode({ records: copies, indices: indicesOf(records.length) }, OPTIONS))
  return records.length
}

let indices: readonly number[] = []

function indicesOf(length: number): readonly number[] {
  if (indices.length !== length) indices = Array.from({ length }, (_, i) => i)
  return indices
}

const encoder = new BatchEncoder()

function encode({ records }: Input): number {
  encodeBatches(records, OPTIONS, encoder)
  return records.length
}

/** CPU to encode and to decode a record, and what it takes in the log. */
async function compressed(compression: Compression) {
  const options = { ...OPTIONS, compression }
  const inputs = input(records, options)
  const encodeOne = (one: Input) => {
    encodeBatches(one.records, options, encoder)
    return one.records.length
  }
  return {
    bytesPerRecord: figure(bytesOf(inputs), 1),
    encode: figure(await microsOf(inputs, rounds / FEWER, encodeOne), 3),
    decode: figure(await microsOf(inputs, rounds / FEWER, decode), 3),
  }
}

/** The bytes of one record, on average. */
function bytesOf(inputs: readonly Input[]): number {
  return inputs.reduce((sum, { set }) => sum + set.length, 0) / (records * BATCHES)
}

async function kafkajsDecode({ set }: Input): Promise<number> {
  return (await decodeWithKafkajs(set)).length
}

async function kafkajsEncode({ records }: Input): Promise<number> {
  await encodeWithKafkajs(records, OPTIONS)
  return records.length
}

const command = new Command('record-codec.ts')
  .option('--records <n>', 'in a batch', Number, 1_000)
  .option('--rounds <n>', 'batches in each of 5 passes', Number, 1_000)
  .parse()
const { records, rounds } = command.opts<{ records: number; rounds: number }>()
const inputs = input(records)
const micros = {
  decode: await microsOf(inputs, rounds, decode),
  decodeToObjects: await microsOf(inputs, rounds, decodeToObjects),
  encode: await microsOf(inputs, rounds, encode),
  copy: await microsOf(inputs, rounds, copy),
  kafkajsDecode: await microsOf(inputs, rounds / FEWER, kafkajsDecode),
  kafkajsEncode: await microsOf(inputs, rounds / FEWER, kafkajsEncode),
}
const writable = COMPRESSIONS.filter((name) => compressionFault(name) === null)
const compressions: Record<string, unknown> = {}
for (const name of writable) compressions[name] = await compressed(name)
const rounded = Object.entries(micros).map(([what, value]) => [what, figure(value, 3)])
console.log(
  JSON.stringify({
    records,
    bytesPerRecord: figure(bytesOf(inputs), 0),
    cpuMicrosPerRecord: Object.fromEntries(rounded),
    compressions,
    timesFaster: {
      decode: figure(micros.kafkajsDecode / micros.decode, 0),
      encode: figure(micros.kafkajsEncode / micros.encode, 0),
    },
    machine: machine(),
  }),
)
