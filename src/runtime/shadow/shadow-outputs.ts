import { ByteRoom, Constant } from '../../kernel/bytes.ts'
import type { Clock } from '../../kernel/clock.ts'
import type { Header } from '../../records/port.ts'
import { appendPart, writeVarint } from '../../records/record-format.ts'
import { WrittenRecords } from '../../records/written-records.ts'
import type { Scorer } from '../../scoring/scorer.ts'
import type { Decision } from '../../scoring/step-models.ts'
import type { ScoreStep } from '../../topology/definition.ts'
import { chunkHeaders, ID_HEADER, modelHeader } from '../provenance.ts'
import type { KeptRows } from './kept-rows.ts'
import type { Origins } from './origins.ts'
import { ShadowValues } from './shadow-values.ts'

/** What the outputs of a shadow have in common. */
interface OutputsOf {
  readonly topic: string
  readonly step: ScoreStep
  readonly scorer: Scorer
  /** Those of the step, by number. */
  readonly decisions: readonly Decision[]
  /** The value of the header `tidemark-by`. */
  readonly by: string
  readonly clock: Clock
}

/** Makes the outputs of a shadow. */
export class ShadowOutputs {
  readonly #of: OutputsOf
  /** By number of the decision, made when it is first needed. */
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

function namesOf({ route, scorer }: Decision) {
  return { model: scorer.label, route }
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
