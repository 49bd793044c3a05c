import type { FieldPath } from '../../columns/columns.ts'
import type { InputBlock } from '../../connect/files/input-lines.ts'
import { valueStart } from '../../connect/files/lines.ts'
import { BARE, type LineRecords, recordsOf } from '../../connect/files/partition-lines.ts'
import { ListedRecords, SPAN } from '../../connect/log-records.ts'
import type { LogRecords } from '../../connect/port.ts'
import type { Format } from '../../formats/format.ts'
import { UNWRITTEN } from '../../formats/record-decoding.ts'
import { atOnce, Slices } from '../../kernel/slices.ts'
import type { SourceDefinition } from '../../topology/definition.ts'
import { readFunction } from '../../topology/function-reading.ts'

const UNCUT = new Slices(() => 0)
const NO_KEY = Buffer.alloc(0)

/**
 * Decodes lines only as far as their key or time needs, before they are in a partition. Returns the
 * lines as records without keys, and by line the index of its event; −1: it has none.
 */
export function decodedLines(
  block: InputBlock,
  format: Format,
  { topic, shared = BARE }: Pick<SourceDefinition, 'topic'> & { readonly shared?: LineRecords },
) {
  const records = recordsIn(block, shared)
  const decoded = atOnce(format.decode({ from: { topic, partition: UNWRITTEN }, records }, UNCUT))
  const eventOf = new Int32Array(records.length).fill(-1)
  for (const [event, line] of decoded.records.entries()) eventOf[line] = event
  return { records, events: decoded.events, eventOf }
}

export type DecodedLines = ReturnType<typeof decodedLines>

function recordsIn({ memory, starts, ends }: InputBlock, shared: LineRecords): LogRecords {
  const valueFrom = (line: number) =>
    valueStart(memory.bytes, starts[line] as number, ends[line] as number)
  // Headers are behind the value of a record, but not of a line.
  if (shared.headers.length > 0) {
    const record = { offset: UNWRITTEN, key: NO_KEY, ...shared }
    return new ListedRecords(
      starts.map((_, line) => ({
        ...record,
        value: memory.buffer.subarray(valueFrom(line), ends[line]),
      })),
    )
  }
  const spans = new Int32Array(starts.length * SPAN.row)
  for (let line = 0; line < starts.length; line++) {
    const start = valueFrom(line)
    spans[line * SPAN.row + SPAN.value] = start
    spans[line * SPAN.row + SPAN.value + 1] = (ends[line] as number) - start
  }
  const offsets = new Float64Array(starts.length).fill(UNWRITTEN)
  return recordsOf(memory, { spans, offsets, ...shared, hasHeaders: false })
}

/** The field that a function reads, or whose time it reads; none if it does more. */
export function pickedFields(reader: (...args: never[]) => unknown): FieldPath[] {
  const reading = readFunction(reader)
  const expression = 'why' in reading ? null : reading.expression
  const isRead = expression?.is === 'pick' || expression?.is === 'time'
  return isRead && expression.path.length > 0 ? [expression.path] : []
}
