import type { Readable } from 'node:stream'
import { Command, Option } from 'commander'
import { type Line, linesOf, openInput, splitKey } from '../connect/files/lines.ts'
import { kafka } from '../connect/kafka/connector.ts'
import { KafkaRecords } from '../connect/kafka/kafka-records.ts'
import type { Header, NewRecord } from '../connect/port.ts'
import type { EncodeJson } from '../formats/registry/outputs.ts'
import { type ClusterConfig, openRegistry } from '../host/services.ts'
import { CLUSTER_SETTINGS } from '../host/settings.ts'
import { configFault, TidemarkError } from '../kernel/errors.ts'
import { isoTimeMs } from '../kernel/iso-time.ts'
import { jsonObject, valueAt } from '../kernel/json.ts'
import { headerOption, numberParser } from './arguments.ts'
import { addSettings, readConfig } from './config.ts'
import { untilSignal } from './exit.ts'
import { ReplayPace } from './pace.ts'
import { noteLine, sayOnOwnLine } from './print.ts'
import { showProgress } from './progress.ts'

export interface LineFlags {
  readonly topic: string
  readonly key?: string
  readonly time?: string
  readonly timestamps: 'now' | 'event'
  /** Encodes the value of a record. @default it is written as it is */
  readonly encode?: EncodeJson | null
  readonly header: readonly Header[]
}

interface Flags extends Omit<LineFlags, 'encode'>, Record<string, unknown> {
  readonly speed?: number
  readonly subject?: string
  readonly message?: string
  readonly asIs?: boolean
}

const parseSpeed = numberParser('a number above 0, or max', (n) => n > 0)

export function produceCommand(): Command {
  const command = new Command('produce')
    .description(
      'write the lines of a file to a topic, at once or paced by their event times; with --registry in the schema of its subject',
    )
    .argument('<file>', 'events, one JSON object or key<TAB>JSON per line; may be .gz')
    .requiredOption('--topic <name>', 'topic to write to')
    .option('--key <field>', 'field to use as the key of lines without a key, such as card.id')
    .option('--time <field>', 'field with the event time, ms since the epoch or RFC 3339 text')
    .option(
      '--speed <n>',
      'how many times faster than real time; needs --time (default: max)',
      (text) => (text === 'max' ? Number.POSITIVE_INFINITY : parseSpeed(text)),
    )
    .addOption(
      new Option(
        '--timestamps <of>',
        'timestamps of the records: now, or the event time, which needs --time',
      )
        .choices(['now', 'event'])
        .default('now'),
    )
    .option(
      '--subject <name>',
      'subject whose latest schema encodes the values; needs --registry (default: the topic with -value)',
    )
    .option('--as-is', 'write the values as they are, even if a registry is set')
    .option('--message <name>', 'Protobuf message to write, if the schema has several')
    .addOption(headerOption())
    .action((file: string, flags: Flags) => start(command, file, flags))
  return addSettings(command, CLUSTER_SETTINGS)
}

async function start(command: Command, file: string, flags: Flags): Promise<void> {
  const { speed = Number.POSITIVE_INFINITY } = flags
  const needsTime = Number.isFinite(speed) || flags.timestamps === 'event'
  if (needsTime && flags.time === undefined) {
    command.error('error: --speed and --timestamps event need --time FIELD')
  }
  const config = readConfig(CLUSTER_SETTINGS, flags)
  if (config.registry === null && (flags.subject ?? flags.message) !== undefined) {
    command.error('error: --subject and --message need --registry URL')
  }
  const encode = flags.asIs === true ? null : await encoderOf(config, flags)
  const input = await openInput(file)
  const records = new KafkaRecords(kafka.optionsOf(config))
  const writer = records.writer()
  let sent = 0
  const endProgress = showProgress(() => sent)
  const ended = untilSignal()
  const pace = new ReplayPace(speed, ended.signal)
  let isTold = false
  try {
    const events = { file, stream: input }
    for await (const batch of batchesOf(events, { ...flags, encode }, pace)) {
      if (!isTold && batch.some(({ key }) => key === null)) {
        isTold = true
        sayOnOwnLine(noteLine(WITHOUT_KEY))
      }
      await writer.write(batch)
      sent += batch.length
    }
  } finally {
    endProgress()
    ended.dispose()
    await writer.close()
    await records.close()
  }
}

async function encoderOf(
  config: ClusterConfig,
  { topic, subject = `${topic}-value`, message }: Flags,
): Promise<EncodeJson | null> {
  const registry = await openRegistry(config)
  if (registry === null) return null
  const { latestEncoder } = await import('../formats/registry/outputs.ts')
  return latestEncoder(registry, { subject, message: message ?? null })
}

const WITHOUT_KEY =
  'lines without a key become records without a key, all in partition 0; to take the key from the event, use --key FIELD'

export async function* batchesOf(
  input: { readonly file: string; readonly stream: Readable },
  flags: LineFlags,
  pace: ReplayPace,
): AsyncGenerator<NewRecord[]> {
  const { topic, timestamps, header: headers } = flags
  for await (const lines of linesOf(input.stream, input.file)) {
    const events = eventsOf(lines, input.file, flags)
    for await (const due of pace.due(events, ({ timeMs }) => timeMs)) {
      const nowMs = Date.now()
      yield due.map(({ key, value, timeMs }) => {
        const timestampMs = timestamps === 'event' && timeMs !== null ? timeMs : nowMs
        return { topic, partition: null, key, value, timestampMs, headers }
      })
    }
    if (pace.isOver) return
  }
}

function* eventsOf(lines: readonly Line[], file: string, { key, time, encode }: LineFlags) {
  for (const { bytes, number } of lines) {
    const where = `${file}:${number}`
    const { key: lineKey, value } = splitKey(bytes)
    const needsKey = lineKey === null && key !== undefined
    const fields = needsKey || time !== undefined ? fieldsOf(value, where) : {}
    yield {
      key: needsKey ? keyOf(valueAt(fields, key), key, where) : lineKey,
      value: encode ? encoded(value, encode, where) : value,
      timeMs: time === undefined ? null : timeOf(valueAt(fields, time), time, where),
    }
  }
}

function encoded(value: Buffer, encode: EncodeJson, where: string): Buffer {
  try {
    return encode(value)
  } catch (thrown) {
    if (!(thrown instanceof TidemarkError)) throw thrown
    const hint = 'the line must fit the schema that --registry and --subject lead to'
    throw new TidemarkError('CONFIG_INVALID', thrown.message, { where, hint, cause: thrown })
  }
}

function fieldsOf(value: Buffer, where: string): Readonly<Record<string, unknown>> {
  const fields = jsonObject(value.toString('utf8'))
  if (fields !== null) return fields
  const hint = 'it must be one, because --key or --time reads a field of it'
  throw configFault('the line is not a JSON object', where, hint)
}

function keyOf(value: unknown, field: string, where: string): Buffer {
  if (typeof value === 'string') return Buffer.from(value)
  throw configFault(`field "${field}" is not a string`, where, 'this field is set by --key')
}

function timeOf(value: unknown, field: string, where: string): number {
  const timeMs = typeof value === 'string' ? isoTimeMs(value) : value
  if (Number.isSafeInteger(timeMs)) return timeMs as number
  const hint =
    'this field is set by --time; it must be ms since the epoch, or text such as 2026-03-01T09:30:00+02:00'
  throw configFault(`field "${field}" is not a time`, where, hint)
}
