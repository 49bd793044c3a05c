import { splitKey } from '../../src/connect/files/lines.ts'
import { partitionOf } from '../../src/connect/memory/log.ts'
import { CardOracle, WIDTH } from '../bench/card-oracle.ts'
import { openModel } from '../bench/check.ts'
import { SEED } from '../bench/input.ts'
import { modelFile } from '../bench/measurements.ts'
import { paymentLines } from '../bench/payments.ts'
import { cardGbdt } from '../fixtures/models/card-gbdt.model.ts'

// Compares answers to requests with those of a naive oracle, which has read the log up to where the
// answer says that it was.

/** Partitions of the payments' topic, as the oracle has it. */
export const ASKED_PARTITIONS = 6
const TOLERANCE = 1e-6

/** An answer with 200. */
export interface GivenAnswer {
  readonly key: string
  readonly value: string
  readonly body: GivenBody
}

export interface GivenBody {
  readonly outputs: readonly { readonly key: string | null; readonly value: object }[]
  readonly features: Readonly<Record<string, number>> | null
  readonly score: { readonly probability: number } | null
  readonly model: string | null
  readonly warming: boolean
  readonly asOf: {
    readonly partition: number
    readonly offset: number
    /** `null`: no event has come. */
    readonly watermarkMs: number | null
  }
}

/** Faults of answers, after the first payments of the stream have been sent. */
export async function faultsOfAnswers(
  events: number,
  given: readonly GivenAnswer[],
): Promise<readonly string[]> {
  const byPlace = new Map<string, GivenAnswer[]>()
  for (const answer of given) {
    const { partition, offset } = answer.body.asOf
    const place = `${partition}/${offset}`
    byPlace.set(place, [...(byPlace.get(place) ?? []), answer])
  }
  const oracle = new CardOracle()
  const faults: string[] = []
  const expected: Expected[] = []
  const compare = (partition: number, offset: number) => {
    const place = `${partition}/${offset}`
    for (const answer of byPlace.get(place) ?? []) {
      const key = Buffer.from(answer.key)
      const watermarkMs = oracle.watermarkMsOf(partition)
      const wanted = oracle.preview(key, Buffer.from(answer.value))
      if (wanted.outcome === 'scored') expected.push({ answer, watermarkMs, row: wanted.row })
      else faults.push(`${place}: ${answer.value} is ${wanted.outcome}, and got 200`)
    }
    byPlace.delete(place)
  }
  const offsets = new Array<number>(ASKED_PARTITIONS).fill(0)
  for (const line of paymentLines(events, SEED)) {
    const { key, value } = splitKey(Buffer.from(line))
    const partition = partitionOf({ partition: null, key }, ASKED_PARTITIONS)
    compare(partition, offsets[partition] as number)
    oracle.enter(key ?? Buffer.alloc(0), value)
    offsets[partition] = (offsets[partition] as number) + 1
  }
  offsets.forEach((offset, partition) => {
    compare(partition, offset)
  })
  for (const [place, { length }] of byPlace) faults.push(`${place}: no such place, ${length} times`)
  return [...faults, ...(await faultsOfScored(expected))]
}

interface Expected {
  readonly answer: GivenAnswer
  readonly watermarkMs: number
  readonly row: readonly number[]
}

async function faultsOfScored(expected: readonly Expected[]): Promise<string[]> {
  const model = await openModel(modelFile('card-gbdt'))
  try {
    const rows = new Float32Array(expected.length * WIDTH)
    expected.forEach(({ row }, i) => {
      rows.set(row, i * WIDTH)
    })
    const [scores] = expected.length === 0 ? [] : await model.run(rows, expected.length)
    return expected.flatMap((each, i) => {
      const row = rows.subarray(i * WIDTH, (i + 1) * WIDTH)
      return faultsOfOne(each, row, scores?.[i] ?? Number.NaN)
    })
  } finally {
    await model.close()
  }
}

function faultsOfOne(
  { answer: { key, value, body }, watermarkMs }: Expected,
  row: Float32Array,
  wanted: number,
): string[] {
  const { asOf, features, score, outputs, model, warming } = body
  const at = `${asOf.partition}/${asOf.offset} of ${value}`
  const faults: string[] = []
  const isNear = (probability = Number.NaN) => Math.abs(probability - wanted) <= TOLERANCE
  cardGbdt.features.forEach((name, i) => {
    const got = features?.[name]
    if (got === undefined || !Object.is(Math.fround(got), row[i])) {
      faults.push(`${at}: ${name} is ${got}, not ${row[i]}`)
    }
  })
  if ((asOf.watermarkMs ?? Number.NEGATIVE_INFINITY) !== watermarkMs) {
    faults.push(`${at}: the watermark is ${asOf.watermarkMs}, not ${watermarkMs}`)
  }
  if (!isNear(score?.probability)) faults.push(`${at}: score ${score?.probability}, not ${wanted}`)
  if (!model?.startsWith('card-gbdt@1')) faults.push(`${at}: the model is ${model}`)
  if (warming) faults.push(`${at}: its windows lack events`)
  const [output] = outputs
  const { paymentId, cardId, paidAt } = JSON.parse(value) as Record<string, unknown>
  const { probability, ...fields } = (output?.value ?? {}) as Record<string, unknown>
  const isOutput =
    outputs.length === 1 &&
    output?.key === key &&
    isNear(probability as number) &&
    fields['paymentId'] === paymentId &&
    fields['cardId'] === cardId &&
    fields['paidAt'] === paidAt
  if (!isOutput) faults.push(`${at}: the outputs are ${JSON.stringify(outputs)}`)
  return faults
}
