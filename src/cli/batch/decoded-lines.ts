import type { FieldPath } from '../../columns/columns.ts'
import type { InputBlock } from '../../connect/files/input-lines.ts'
import { valueStart } from '../../connect/files/lines.ts'
import { recordsOf } from '../../connect/files/partition-lines.ts'
import { SPAN } from '../../connect/log-records.ts'
import type { Format } from '../../formats/format.ts'
import { UNWRITTEN } from '../../formats/record-decoding.ts'
import { atOnce, Slices } from '../../kernel/slices.ts'
import type { SourceDefinition } from '../../topology/definition.ts'
import { readFunction } from '../../topology/function-reading.ts'

const UNCUT = new Slices(() => 0)

/**
 * Decodes lines only as far as their key or time needs, before they are in a partition. Returns the
 * lines as records without keys, and by line the index of its event; −1: it has none.
 */
export function decodedLines(
  { memory, starts, ends }: InputBlock,
  format: Format,
  { topic }: Pick<SourceDefinition, 'topic'>,
) {
  const spans = new Int32Array(starts.length * SPAN.row)
  for (let line = 0; line < starts.length; line++) {
    const end = ends[line] as number
    const start = valueStart(memory.bytes, starts[line] as number, end)
    spans[line * SPAN.row + SPAN.value] = start
    spans[line * SPAN.row + SPAN.value + 1] = end - start
  }
  const offsets = new Float64Array(starts.length).fill(UNWRITTEN)
  const records = recordsOf(memory, { spans, offsets })
  const decoded = atOnce(format.decode({ from: { topic, partition: UNWRITTEN }, records }, UNCUT))
  const eventOf = new Int32Array(starts.length).fill(-1)
  for (const [event, line] of decoded.records.entries()) eventOf[line] = event
  return { records, events: decoded.events, eventOf }
}

export type DecodedLines = ReturnType<typeof decodedLines>

/** The field that a function reads, or whose time it reads; none if it does more. */
export function pickedFields(reader: (...args: never[]) => unknown): FieldPath[] {
  const reading = readFunction(reader)
  const expression = 'why' in reading ? null : reading.expression
  const isRead = expression?.is === 'pick' || expression?.is === 'time'
  return isRead && expression.path.length > 0 ? [expression.path] : []
}
