import { ScannedColumns } from '../../../columns/columns.ts'
import { knownShadow, type ScoredBy } from '../../../formats/json/known-values.ts'
import { compileEncoder, type OutputEncoder } from '../../../formats/json/output-encoder.ts'
import { ByteRoom, Constant } from '../../../kernel/bytes.ts'
import type { Clock } from '../../../kernel/clock.ts'
import type { Header } from '../../../records/port.ts'
import { appendPart, writeVarint } from '../../../records/record-format.ts'
import { WrittenRecords } from '../../../records/written-records.ts'
import type { Scorer } from '../../../scoring/scorer.ts'
import type { Decision } from '../../../scoring/step-models.ts'
import type { ScoreStep } from '../../../topology/definition.ts'
import { chunkHeaders, ID_HEADER, modelHeader } from '../provenance.ts'
import type { KeptRows, Origins } from './kept-rows.ts'

interface NamedModels {
  readonly model: string
  readonly main: ScoredBy
}

/** Writes the values of a shadow's outputs: `{ model, score, main: { model, route, score } }`. */
class ShadowValues {
  readonly #encoder: OutputEncoder
  readonly #room = new ByteRoom(0)

  constructor(outputs: ScoreStep['outputs'], { model, main }: NamedModels) {
    const value = knownShadow(outputs, { label: model, main })
    this.#encoder = compileEncoder(ALL, value) as OutputEncoder
  }

  /**
   * A value, in memory that the next one reuses.
   * @param scores those of the shadow, then those of the main model
   */
  valueOf(scores: readonly Float64Array[], row: number): Buffer {
    const room = this.#room
    room.clear()
    this.#encoder(row, { ...NO_EVENTS, scores }, room)
    return room.bytes.subarray(0, room.used)
  }
}

/** The known value as it is. */
const ALL = { is: 'pick', path: [] } as const

const NO_EVENTS = {
  events: { columns: new ScannedColumns([], 0), memoryOf: () => null },
  indices: [],
  features: new Float32Array(0),
  carried: new Float64Array(0),
}

interface OutputsOf {
  readonly topic: string
  readonly step: ScoreStep
  readonly scorer: Scorer
  readonly decisions: readonly Decision[]
  /** The header `tidemark-by`. */
  readonly by: string
  readonly clock: Clock
}

export class ShadowOutputs {
  readonly #of: OutputsOf
  readonly #values: (ShadowValues | undefined)[] = []

  constructor(of: OutputsOf) {
    this.#of = of
  }

  /**
   * @param rows numbers among those that were kept
   * @param columns the shadow's scores, as the step's outputs
   */
  of(kept: KeptRows, rows: readonly number[], columns: readonly Float64Array[]): WrittenRecords {
    const { topic, scorer, by, clock } = this.#of
    const origins = kept.origins as Origins
    const all = [...columns, ...kept.main]
    const headers = [...chunkHeaders(by, clock.nowMs()), modelHeader(scorer)]
    const [beforeId, afterId] = aroundId(headers)
    const into = new WrittenRecords(rows.length)
    for (const row of rows) {
      const room = into.room()
      const start = room.used
      room.append(origins.keyPart(row))
      appendPart(this.#valuesOf(kept.decided?.[row] ?? 0).valueOf(all, row), room)
      room.constant(beforeId)
      appendPart(origins.id(row), room)
      room.constant(afterId)
      into.add(topic, origins.timestampMs(row), start)
    }
    return into
  }

  #valuesOf(decision: number): ShadowValues {
    const { step, scorer, decisions } = this.#of
    this.#values[decision] ??= new ShadowValues(step.outputs, {
      model: scorer.label,
      main: namesOf(decisions[decision] as Decision),
    })
    return this.#values[decision]
  }
}

function namesOf({ route, scorer }: Decision): ScoredBy {
  return { label: scorer.label, route }
}

/** The headers as in a batch, up to the value of the id, and after it. */
function aroundId(others: readonly Header[]): [Constant, Constant] {
  const [before, after] = [new ByteRoom(0), new ByteRoom(0)]
  before.reserve(1)
  before.used = writeVarint(before.bytes, before.used, 1 + others.length)
  appendPart(Buffer.from(ID_HEADER), before)
  for (const { name, value } of others) {
    appendPart(Buffer.from(name), after)
    appendPart(value, after)
  }
  return [constantOf(before), constantOf(after)]
}

function constantOf({ bytes, used }: ByteRoom): Constant {
  return new Constant(bytes.subarray(0, used))
}
