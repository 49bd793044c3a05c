import type { ModelBatch, ReadyBatch, StepScores } from '../../../engine/events.ts'
import type { StepModel } from '../../../scoring/step-models.ts'
import { causingRecord, idAt, type OutputContext } from '../outputs.ts'

/** Events whose main scores are known. */
export interface OfferedEvents {
  readonly ready: ReadyBatch
  readonly model: ModelBatch
  readonly scores: StepScores
  readonly from: OutputContext
}

/** Events with a main score that wait for a shadow's. */
export interface KeptRows {
  readonly count: number
  /** In the order of the shadow's model. */
  readonly rows: Float32Array
  /** By output of the step. */
  readonly main: readonly Float64Array[]
  /** The decision about each row. */
  readonly decided: Uint8Array
  /** `null`: the scores are only compared. */
  readonly origins: readonly Origin[] | null
}

/** Parts of an event that its output has, copied, so that the memory of the event's chunk is freed. */
export interface Origin {
  readonly key: Buffer | null
  readonly id: string
  readonly timestampMs: number
}

interface OriginOptions {
  readonly ready: Pick<ReadyBatch, 'indices' | 'windows'>
  readonly from: OutputContext
  readonly sink: string
}

interface Keeping {
  readonly model: StepModel
  readonly sink: string | null
}

/**
 * Keeps some events of a chunk, without copying what all of them share with it.
 *
 * @param chosen numbers of rows, in order
 */
export function keepRows(
  { ready, model: { rows }, scores, from }: OfferedEvents,
  chosen: readonly number[],
  { model, sink }: Keeping,
): KeptRows {
  const isAll = chosen.length === ready.indices.length
  const { columns, decided } = scores
  // A few rows must not keep the memory of a large chunk.
  const { byteLength, buffer } = rows
  const isWhole = isAll && 2 * byteLength >= buffer.byteLength
  return {
    count: chosen.length,
    rows: model.rowsOf(rows, isWhole ? null : chosen),
    main: columns.map((column) => picked(column, chosen)),
    decided: isAll ? decided : Uint8Array.from(chosen, (r) => decided[r] as number),
    origins: sink === null ? null : chosen.map((row) => originOf(row, { ready, from, sink })),
  }
}

export function picked(column: Float64Array, rows: readonly number[]): Float64Array {
  if (rows.length === column.length) return column
  const values = new Float64Array(rows.length)
  for (let i = 0; i < rows.length; i++) values[i] = column[rows[i] as number] as number
  return values
}

/** @param sink the shadow's, in ids */
export function originOf(row: number, { ready, from, sink }: OriginOptions): Origin {
  const { indices, windows } = ready
  const index = indices[row] as number
  const window = windows?.[index] ?? null
  const { key, offset, timestampMs } =
    window === null ? from.records.at(index) : causingRecord(window, from)
  const outputKey = window === null ? key : window.key
  return {
    key: outputKey === null ? null : Buffer.from(outputKey),
    id: idAt(sink, { source: from.source, offset }, window),
    timestampMs,
  }
}
