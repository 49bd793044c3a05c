import type { FieldPath } from '../../columns/columns.ts'
import type { Format } from '../../formats/format.ts'
import { UNWRITTEN } from '../../formats/record-decoding.ts'
import { atOnce, Slices } from '../../kernel/slices.ts'
import type { InputBlock } from '../../records/files/input-lines.ts'
import { LineRecords } from '../../records/files/line-records.ts'
import type { SourceDefinition } from '../../topology/definition.ts'
import { readFunction } from '../../topology/function-reading.ts'

const TAB = 0x09
const BRACE = 0x7b
const UNCUT = new Slices(() => 0)

/**
 * Decodes lines only as far as their key or time needs, before they are in a partition. Returns the
 * lines without keys, and by line the index of its event; −1: it has none.
 */
export function decodedLines(
  { memory, starts, ends }: InputBlock,
  format: Format,
  { topic }: Pick<SourceDefinition, 'topic'>,
) {
  const values = starts.map((start, line) => valueStart(memory.bytes, start, ends[line] as number))
  const nowhere = starts.map(() => -1)
  const keys = { keyStarts: nowhere, keyEnds: nowhere, madeKeys: new Map() }
  const lines = { memory, starts: values, ends, ...keys }
  const unwritten = starts.map(() => UNWRITTEN)
  const records = new LineRecords(lines, [...starts.keys()], unwritten)
  const decoded = atOnce(format.decode({ from: { topic, partition: UNWRITTEN }, records }, UNCUT))
  const eventOf = new Int32Array(starts.length).fill(-1)
  for (const [event, line] of decoded.records.entries()) eventOf[line] = event
  return { lines, records, events: decoded.events, eventOf }
}

/** The field that a function reads, or whose time it reads; none if it does more. */
export function pickedFields(of: (...args: never[]) => unknown): FieldPath[] {
  const reading = readFunction(of)
  const expression = 'why' in reading ? null : reading.expression
  const isRead = expression?.is === 'pick' || expression?.is === 'time'
  return isRead && expression.path.length > 0 ? [expression.path] : []
}

function valueStart(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start] === BRACE) return start
  const tab = bytes.indexOf(TAB, start)
  return tab < 0 || tab >= end ? start : tab + 1
}
