import { Command, InvalidArgumentError, Option } from 'commander'
import { wallClock } from '../kernel/clock.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { KafkaRecords } from '../records/kafka/kafka-records.ts'
import type { NewRecord } from '../records/port.ts'
import { addSettings, readConfig } from './config.ts'
import { KAFKA_SETTINGS, kafkaOptions } from './kafka-options.ts'
import { type Line, linesOf, openInput, splitKey } from './lines.ts'
import { say } from './print.ts'
import { Progress } from './progress.ts'
import { untilSignal } from './signals.ts'

/** Records of one request to the brokers. */
const BATCH = 1_000

interface Flags extends Record<string, unknown> {
  readonly topic: string
  readonly key?: string
  readonly time?: string
  readonly speed: number
  readonly timestamps: 'now' | 'event'
}

/** `tidemark produce FILE --topic TOPIC` */
export function produce(): Command {
  const command = new Command('produce')
    .description(
      'write the lines of a file to a topic, at once or in the rhythm of their event times',
    )
    .argument('<file>', 'events, one JSON a line or key<TAB>JSON; .gz too')
    .requiredOption('--topic <name>', 'topic to write to')
    .option('--key <field>', 'field that is the key of a line without one')
    .option('--time <field>', 'field with the event time, ms since the epoch')
    .addOption(
      new Option('--speed <n>', 'event time over real time; needs --time')
        .argParser(parseSpeed)
        .default(Number.POSITIVE_INFINITY, 'max'),
    )
    .addOption(
      new Option('--timestamps <of>', "the records' own timestamps; event needs --time")
        .choices(['now', 'event'])
        .default('now'),
    )
    .action((file: string, flags: Flags) => start(command, file, flags))
  return addSettings(command, KAFKA_SETTINGS)
}

function parseSpeed(text: string): number {
  const n = text === 'max' ? Number.POSITIVE_INFINITY : Number(text)
  if (!(n > 0)) throw new InvalidArgumentError('a number above 0, or max')
  return n
}

async function start(command: Command, file: string, flags: Flags): Promise<void> {
  const needsTime = Number.isFinite(flags.speed) || flags.timestamps === 'event'
  if (needsTime && flags.time === undefined) {
    command.error('error: --speed and --timestamps event need --time FIELD')
  }
  const config = readConfig(KAFKA_SETTINGS, flags)
  const input = await openInput(file)
  const records = new KafkaRecords(kafkaOptions(config))
  const writer = records.writer()
  const pace = new Pace(flags.speed)
  let sent = 0
  const progress = new Progress(() => ({
    records: sent,
    share: input.bytes === 0 ? 1 : input.readBytes() / input.bytes,
  }))
  const ended = untilSignal()
  void ended.promise.then(() => pace.stop())
  try {
    let batch: NewRecord[] = []
    const flush = async () => {
      await writer.send(batch)
      sent += batch.length
      batch = []
    }
    for await (const lines of linesOf(input.stream)) {
      for (const line of lines) {
        const { record, timeMs } = recordOf(line, file, flags)
        if (timeMs !== null && pace.isEarly(timeMs)) {
          await flush()
          await pace.wait(timeMs)
        }
        if (pace.stopped) break
        batch.push(record)
        if (batch.length >= BATCH) await flush()
      }
      if (pace.stopped) break
      // A stream's piece ends here: what it held goes out before the next is waited for.
      await flush()
    }
    await flush()
  } finally {
    progress.end()
    ended.dispose()
    await writer.close()
    await records.close()
  }
  say(`${flags.topic}: ${sent} records written`)
}

/** Plays event times in real time. */
class Pace {
  readonly #speed: number
  readonly #stop = new AbortController()
  #first: { eventMs: number; realMs: number } | null = null

  /** @param speed milliseconds of event time in one of real time; infinite: nothing is ever early */
  constructor(speed: number) {
    this.#speed = speed
  }

  get stopped(): boolean {
    return this.#stop.signal.aborted
  }

  stop(): void {
    this.#stop.abort()
  }

  isEarly(eventMs: number): boolean {
    return this.#earlyByMs(eventMs) > 0
  }

  wait(eventMs: number): Promise<void> {
    return wallClock.sleep(this.#earlyByMs(eventMs), this.#stop.signal)
  }

  #earlyByMs(eventMs: number): number {
    this.#first ??= { eventMs, realMs: wallClock.elapsedMs() }
    const dueMs = this.#first.realMs + (eventMs - this.#first.eventMs) / this.#speed
    return dueMs - wallClock.elapsedMs()
  }
}

interface Timed {
  readonly record: NewRecord
  /** The event time; `null` when it is not asked for. */
  readonly timeMs: number | null
}

function recordOf({ number, bytes }: Line, file: string, flags: Flags): Timed {
  const { key: own, value } = splitKey(bytes)
  const where = `${file}:${number}`
  const needsFields = flags.time !== undefined || (own === null && flags.key !== undefined)
  const fields = needsFields ? fieldsOf(value, where) : {}
  const key = own ?? (flags.key === undefined ? null : keyOf(fields[flags.key], flags.key, where))
  const timeMs = flags.time === undefined ? null : timeOf(fields[flags.time], flags.time, where)
  const timestampMs = flags.timestamps === 'event' && timeMs !== null ? timeMs : wallClock.nowMs()
  const record = { topic: flags.topic, partition: null, key, value, timestampMs, headers: [] }
  return { record, timeMs }
}

function fieldsOf(value: Buffer, where: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(value.toString('utf8'))
    if (typeof parsed === 'object' && parsed !== null) return parsed as Record<string, unknown>
  } catch {
    // V8's message quotes the text, so it is not passed on.
  }
  throw new TidemarkError('CONFIG_INVALID', 'the line is not a JSON object', {
    where,
    hint: 'a field of it is needed, for --key or --time',
  })
}

function keyOf(value: unknown, field: string, where: string): Buffer {
  if (typeof value === 'string') return Buffer.from(value)
  throw new TidemarkError('CONFIG_INVALID', `field "${field}" is no text`, { where, hint: '--key' })
}

function timeOf(value: unknown, field: string, where: string): number {
  if (Number.isSafeInteger(value)) return value as number
  const message = `field "${field}" is no integer`
  throw new TidemarkError('CONFIG_INVALID', message, { where, hint: '--time' })
}
