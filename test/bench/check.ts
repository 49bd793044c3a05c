import { readFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { Command } from 'commander'
import { linesOf, openInput, splitKey } from '../../src/connect/files/lines.ts'
import { OnnxSession } from '../../src/scoring/onnx-session.ts'
import type { Runner } from '../../src/scoring/runner.ts'
import { CardOracle, type Payment, WIDTH } from './card-oracle.ts'

// Compares the outputs written by bench.ts with those of a naive oracle. Also a command:
//   npx tsx test/bench/check.ts INPUT.tsv OUTPUT.ndjson [LIMIT]

/** How far a probability may be from the expected one. */
const TOLERANCE = 1e-6
const ROWS_PER_BATCH = 10_000

/** The input and output of all models of the card topology. */
const READING = {
  input: 'features',
  outputs: { probability: { tensor: 'probability', column: 0 } },
}

/** An output that must exist exactly once. */
export interface Expected {
  readonly cardId: string
  readonly paidAt: number
  readonly probability: number
}

/** The expected outcomes of an input. */
export interface Expectation {
  /** By payment id. */
  readonly outputs: ReadonlyMap<string, Expected>
  readonly late: number
  readonly malformed: number
}

/** The expected outcomes of the input's lines, `key<TAB>json`. */
export async function expectedOf(
  lines: AsyncIterable<Buffer> | Iterable<Buffer>,
  model: Runner,
): Promise<Expectation> {
  const oracle = new CardOracle()
  const outputs = new Map<string, Expected>()
  const counts = { late: 0, malformed: 0 }
  let payments: Payment[] = []
  const rows = new Float32Array(ROWS_PER_BATCH * WIDTH)
  const score = async () => {
    if (payments.length === 0) return
    const [scores] = await model.run(rows.subarray(0, payments.length * WIDTH), payments.length)
    for (const [i, { paymentId, cardId, paidAt }] of payments.entries()) {
      outputs.set(paymentId, { cardId, paidAt, probability: scores?.[i] ?? Number.NaN })
    }
    payments = []
  }
  for await (const line of lines) {
    const { key, value } = splitKey(line)
    const answer = oracle.take(key ?? Buffer.alloc(0), value)
    if (answer.outcome !== 'scored') {
      counts[answer.outcome]++
      continue
    }
    rows.set(answer.row, payments.length * WIDTH)
    payments.push(answer.payment)
    if (payments.length === ROWS_PER_BATCH) await score()
  }
  await score()
  return { outputs, ...counts }
}

/** How outputs differ from the expected ones. */
export interface Verdict {
  readonly outputs: number
  /** Expected outputs that do not exist. */
  readonly missing: number
  /** Outputs that repeat an earlier one. */
  readonly duplicates: number
  /** Outputs that are not expected, or that have another card or event time than their payment. */
  readonly unexpected: number
  readonly largestDifference: number
  /** Probabilities further than 1e-6 from the expected one. */
  readonly different: number
}

/** Compares the lines of an output topic, JSON, with the expected outputs. */
export async function compareOutputs(
  { outputs: expected }: Expectation,
  lines: AsyncIterable<Buffer> | Iterable<Buffer>,
): Promise<Verdict> {
  const seen = new Set<string>()
  const found = { outputs: 0, duplicates: 0, unexpected: 0, largestDifference: 0, different: 0 }
  for await (const line of lines) {
    const output = JSON.parse(line.toString('utf8')) as Expected & { paymentId: string }
    const wanted = expected.get(output.paymentId)
    found.outputs++
    if (wanted?.cardId !== output.cardId || wanted.paidAt !== output.paidAt) {
      found.unexpected++
      continue
    }
    if (seen.has(output.paymentId)) found.duplicates++
    seen.add(output.paymentId)
    const difference = Math.abs(output.probability - wanted.probability)
    if (!(difference <= TOLERANCE)) found.different++
    found.largestDifference = Math.max(found.largestDifference, difference)
  }
  return { missing: expected.size - seen.size, ...found }
}

/** Whether every expected output exists exactly once and is correct. */
export function agrees({ missing, duplicates, unexpected, different }: Verdict): boolean {
  return missing + duplicates + unexpected + different === 0
}

/** Loads a model of the card topology. */
export async function openModel(file: string | URL): Promise<Runner> {
  return OnnxSession.load(await readFile(file), READING)
}

/** The first `limit` lines of a file. @default all */
export async function* linesOfFile(file: string, limit = Infinity): AsyncGenerator<Buffer> {
  let left = limit
  for await (const lines of linesOf(await openInput(file))) {
    for (const { bytes } of lines.slice(0, left)) yield bytes
    left -= lines.length
    if (left <= 0) return
  }
}

async function main(): Promise<void> {
  const command = new Command('check.ts')
    .argument('<input>', 'file with the input, key<TAB>json a line')
    .argument('<output>', 'file with the outputs, JSON a line')
    .argument('[limit]', 'lines of the input to use', Number, Number.POSITIVE_INFINITY)
    .option('--model <file>', 'the model that scored', 'test/fixtures/models/card-gbdt.onnx')
    .parse()
  const [input, output, limit] = command.processedArgs as [string, string, number]
  const model = await openModel(command.opts<{ model: string }>().model)
  const expectation = await expectedOf(linesOfFile(input, limit), model)
  await model.close()
  const verdict = await compareOutputs(expectation, linesOfFile(output))
  const { late, malformed, outputs } = expectation
  console.log(JSON.stringify({ expected: outputs.size, late, malformed, ...verdict }))
  if (!agrees(verdict)) process.exitCode = 1
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main()
