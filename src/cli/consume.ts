import { Command, InvalidArgumentError } from 'commander'
import type { KafkaRecords } from '../connect/kafka/kafka-records.ts'
import type { Chunk, LogPoint, LogRecord } from '../connect/port.ts'
import { withKafka } from '../host/services.ts'
import { CLUSTER_SETTINGS } from '../host/settings.ts'
import { openShower, type ShowRecords } from '../jobs/shown-records.ts'
import { bytesAsJson } from '../kernel/json.ts'
import { parseDuration } from '../kernel/time.ts'
import { plural } from '../kernel/wording.ts'
import { parseCount } from './arguments.ts'
import { addSettings, readConfig } from './config.ts'
import { untilSignal } from './exit.ts'
import { readerGone, say, write } from './print.ts'

interface Flags extends Record<string, unknown> {
  readonly topic: string
  readonly from: LogPoint
  readonly max?: number
  readonly exit?: true
  readonly format: string
}

const TIMES = 'such as 2026-01-05T06:00:00Z or 2026-01-05, in UTC, or @ and ms since the epoch'
export const POINTS = `earliest, latest, an offset, a time ${TIMES}, or -6h: six hours ago`
export const FROM = `where to start in each partition: ${POINTS}`
/** JavaScript takes a date alone as UTC, but a time without a zone as local. */
const WITH_ZONE = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/
/** The last time of a `Date`, ms since the epoch. */
const LAST_TIME_MS = 8.64e15

export function consume(): Command {
  const command = new Command('consume')
    .description(
      'write the records of a topic to stdout, with --registry those that have a schema as JSON; commits no offsets',
    )
    .requiredOption('--topic <name>', 'topic to read')
    .option('--from <place>', FROM, parsePoint, 'earliest')
    .option('--max <n>', 'most records to write (default: all)', parseCount)
    .option('-e, --exit', 'exit at the end of the topic instead of waiting for more records')
    .option(
      '--format <text>',
      'value, json, or a pattern: %t topic, %p partition, %o offset, %T timestamp (ms), %h headers, %k key, %v value, \\t tab, \\n new line',
      'value',
    )
    .action(async (flags: Flags) => {
      const config = readConfig(CLUSTER_SETTINGS, flags)
      const show = await openShower(config)
      say(plural(await withKafka(config, (records) => copy(records, flags, show)), 'record'))
    })
  return addSettings(command, CLUSTER_SETTINGS)
}

export function parsePoint(text: string): LogPoint {
  if (text === 'earliest' || text === 'latest') return text
  const offset = numberIn(text, /^(\d+)$/)
  if (Number.isSafeInteger(offset)) return { offset }
  const ago = text.startsWith('-') ? parseDuration(text.slice(1)) : null
  if (ago !== null) return { timeMs: Math.max(0, Date.now() - ago) }
  const timeMs = WITH_ZONE.test(text) ? Date.parse(text) : numberIn(text, /^@(\d+)$/)
  if (timeMs >= 0 && timeMs <= LAST_TIME_MS) return { timeMs }
  throw new InvalidArgumentError(`must be ${POINTS}`)
}

function numberIn(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? Number.NaN)
}

async function copy(records: KafkaRecords, flags: Flags, show: ShowRecords): Promise<number> {
  const { topic, from, max = Number.POSITIVE_INFINITY, format } = flags
  const reader = await records.read({ topic, from, until: flags.exit === true ? 'end' : 'closed' })
  const ended = untilSignal(readerGone)
  void ended.promise.then(() => reader.close())
  let written = 0
  try {
    for await (const chunk of reader) {
      const shown = await show(chunk.records.slice(0, max - written))
      const lines = Array.from(shown, (record) => formatRecord(chunk, record, format))
      written += lines.length
      await write(Buffer.concat(lines))
      if (written >= max) break
    }
  } finally {
    ended.dispose()
    await reader.close()
  }
  return written
}

const NEWLINE = Buffer.from('\n')

export function formatRecord(chunk: Chunk, record: LogRecord, format: string): Buffer {
  if (format === 'value') return Buffer.concat([record.value ?? Buffer.alloc(0), NEWLINE])
  const text =
    format === 'json' ? JSON.stringify(envelope(chunk, record)) : fill(format, chunk, record)
  return Buffer.from(`${text}\n`)
}

function envelope({ topic, partition }: Chunk, record: LogRecord) {
  const { offset, timestampMs: timestamp } = record
  const [key, value] = [bytesAsJson(record.key), bytesAsJson(record.value)]
  const headers = record.headers.map((header) => [header.name, bytesAsJson(header.value)])
  return { topic, partition, offset, timestamp, key, value, headers }
}

function fill(pattern: string, { topic, partition }: Chunk, record: LogRecord): string {
  const { offset, timestampMs, headers, key, value } = record
  const values: Readonly<Record<string, string>> = {
    '%t': topic,
    '%p': String(partition),
    '%o': String(offset),
    '%T': String(timestampMs),
    '%k': key?.toString('utf8') ?? '',
    '%v': value?.toString('utf8') ?? '',
    '%h': headers.map((h) => `${h.name}=${h.value.toString('utf8')}`).join(),
    '%%': '%',
    '\\t': '\t',
    '\\n': '\n',
    '\\\\': '\\',
  }
  return pattern.replace(/%[tpoTkvh%]|\\[tn\\]/g, (letter) => values[letter] ?? letter)
}
