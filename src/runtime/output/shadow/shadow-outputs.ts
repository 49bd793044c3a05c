import { ScannedColumns } from '../../../columns/columns.ts'
import { WrittenRecords } from '../../../connect/written-records.ts'
import { knownShadow } from '../../../formats/json/known-values.ts'
import { compileEncoder, type OutputEncoder } from '../../../formats/json/output-encoder.ts'
import { ByteRoom } from '../../../kernel/bytes.ts'
import type { Clock } from '../../../kernel/clock.ts'
import type { Scorer } from '../../../scoring/scorer.ts'
import type { Decision } from '../../../scoring/step-models.ts'
import type { ScoreStep } from '../../../topology/definition.ts'
import { chunkHeaders, header, ID_HEADER, modelHeader } from '../provenance.ts'
import type { KeptRows, Origin } from './kept-rows.ts'

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

/** Makes the outputs of a shadow: `{ model, score, main: { model, route, score } }`. */
export class ShadowOutputs {
  readonly options: OutputsOf
  /** By decision of the main models. */
  readonly #encoders: (OutputEncoder | undefined)[] = []
  readonly #room = new ByteRoom(0)

  constructor(options: OutputsOf) {
    this.options = options
  }

  /**
   * @param rows numbers among those that were kept
   * @param columns the shadow's scores, as the step's outputs
   */
  of(kept: KeptRows, rows: readonly number[], columns: readonly Float64Array[]): WrittenRecords {
    const { topic, scorer, by, clock } = this.options
    const origins = kept.origins as readonly Origin[]
    const scores = [...columns, ...kept.main]
    const headers = [...chunkHeaders(by, clock.nowMs()), modelHeader(scorer)]
    const into = new WrittenRecords(rows.length)
    for (const row of rows) {
      const { key, id, timestampMs } = origins[row] as Origin
      const value = this.#valueOf(scores, row, kept.decided[row] as number)
      into.write({ key, value, timestampMs, headers: [header(ID_HEADER, id), ...headers] }, topic)
    }
    return into
  }

  /** A value, in memory that the next one reuses. */
  #valueOf(scores: readonly Float64Array[], row: number, decision: number): Buffer {
    this.#encoders[decision] ??= this.#encoder(decision)
    const room = this.#room
    room.clear()
    this.#encoders[decision](row, { ...NO_EVENTS, scores }, room)
    return room.bytes.subarray(0, room.used)
  }

  #encoder(decision: number): OutputEncoder {
    const { step, scorer, decisions } = this.options
    const { route, scorer: by } = decisions[decision] as Decision
    const main = { label: by.label, route }
    const value = knownShadow(step.outputs, { label: scorer.label, main })
    return compileEncoder(ALL, value) as OutputEncoder
  }
}
