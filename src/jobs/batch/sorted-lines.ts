import { createWriteStream, existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { DuckDb, onFile, sqlText } from '../../connect/files/duckdb.ts'
import { fileRow, type InputBlock, type InputLines } from '../../connect/files/input-lines.ts'
import { eventTimeMs } from '../../formats/identity.ts'
import { LIMITS } from '../../formats/json/parse-json.ts'
import { openFormat } from '../../formats/open-format.ts'
import { ByteRoom } from '../../kernel/bytes.ts'
import { atPath, configFault, TidemarkError } from '../../kernel/errors.ts'
import type { EventFunction, SourceDefinition } from '../../topology/definition.ts'
import { takesSecond } from '../../topology/function-source.ts'
import { decodedLines, pickedFields } from '../lines/decoded-lines.ts'

// The lines of the input by event time. DuckDB sorts them outside of memory: each line with its
// time and its place in front, so that equal times stay in the order of the files. Lines
// are in base64, because DuckDB reads some bytes as something else.

/** Between time, place and line. */
const MARK = '\x01'
const MARK_BYTE = 1
/** More than an event may have, in base64. DuckDB holds several times as much. */
const MOST_LINE_BYTES = 4 * LIMITS.bytes

/** Writes the lines of the input in the order of their times to a file, unless it is there. */
export async function sortByTime(
  input: InputLines,
  source: SourceDefinition,
  sorted: string,
): Promise<void> {
  if (existsSync(sorted)) return
  const unsorted = `${sorted}.lines`
  const duckdb = await DuckDb.open(dirname(sorted))
  try {
    await pipeline(timed(input, source), createWriteStream(unsorted)).catch(atPath(unsorted))
    const read = `read_csv(${sqlText(unsorted)}, header = false, auto_detect = false, delim = ${sqlText(MARK)}, quote = '', escape = '', max_line_size = ${MOST_LINE_BYTES}, buffer_size = ${2 * MOST_LINE_BYTES}, columns = {time: 'BIGINT', place: 'BIGINT', line: 'VARCHAR'})`
    const query = `SELECT concat(place, ${sqlText(MARK)}, line) FROM (SELECT * FROM ${read} ORDER BY time, place)`
    const lines = duckdb.lines(query)
    await onFile(sorted, () => pipeline(lines, createWriteStream(`${sorted}.new`)))
    await rm(unsorted)
    await rename(`${sorted}.new`, sorted)
  } finally {
    duckdb.close()
  }
}

/** Reads the lines that {@link sortByTime} has written. */
export async function* sortedBlocks(sorted: InputLines): AsyncGenerator<InputBlock> {
  for await (const { memory, starts, ends } of sorted.blocks()) {
    const places: number[] = []
    const decodedEnds: number[] = []
    const behind = starts.map((start, line) => {
      const from = memory.bytes.indexOf(MARK_BYTE, start) + 1
      places.push(Number(memory.text(start, from - 1)))
      const decoded = Buffer.from(memory.text(from, ends[line] as number), 'base64')
      decodedEnds.push(from + decoded.copy(memory.buffer, from))
      return from
    })
    yield { memory, starts: behind, ends: decodedEnds, places }
  }
}

/** A line without a time goes behind the one before it. */
async function* timed(input: InputLines, source: SourceDefinition): AsyncGenerator<Buffer> {
  const timeOf = source.eventTimeMs
  if (timeOf === 'record' || takesSecond(timeOf)) {
    const message = 'the event time is not in the event alone, so files cannot be sorted by it'
    throw new TidemarkError('NOT_SUPPORTED', message, { where: '--order time' })
  }
  const format = await openFormat(source, { wanted: pickedFields(timeOf), registry: null })
  const read = format.reader(timeOf as EventFunction<number>)
  const room = new ByteRoom()
  let timeMs = 0
  for await (const block of input.blocks()) {
    const { events, eventOf } = decodedLines(block, format, source)
    const { memory, starts, ends, places } = block
    for (let line = 0; line < starts.length; line++) {
      const event = eventOf[line] as number
      if (event >= 0) {
        try {
          timeMs = eventTimeMs((scan: typeof events) => read.of(scan, event), events)
        } catch (error) {
          if (!(error instanceof TidemarkError)) throw error
        }
      }
      const text = memory.buffer.toString('base64', starts[line], ends[line])
      const marked = `${timeMs}${MARK}${places[line]}${MARK}${text}\n`
      if (marked.length > MOST_LINE_BYTES) {
        const { file, row } = fileRow(input.files, places[line] as number)
        throw configFault('the line is too long to be sorted', `${file}:${row}`)
      }
      room.text(marked)
    }
    yield Buffer.from(room.bytes.subarray(0, room.used))
    room.clear()
  }
}
