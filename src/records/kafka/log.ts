import { type LogEntry, type logCreator, logLevel } from 'kafkajs'
import { TidemarkError } from '../../kernel/errors.ts'
import type { KafkaLog } from './options.ts'

// What the library logs, and the one line that has to be acted upon.

/** Lines that report what this driver handles and reports itself, or what it knows and means. */
const KNOWN = [
  // A rebalance, as any group has it: `assigned` and `lost` tell it.
  /^The group is rebalancing/,
  /^The coordinator is not aware of this member/,
  /^Response (Heartbeat|JoinGroup|SyncGroup|OffsetCommit|LeaveGroup)\(/,
  // A group or a producer that is the first one on a young broker.
  /^Response (FindCoordinator|GroupCoordinator|InitProducerId)\(/,
  // The producer is thrown away after a send that failed, which is what the warning asks for.
  /^Limiting retries for the idempotent producer/,
  // One more line about a connection error that has just been told.
  /^Failed to connect to (seed )?broker/,
  // Handed to whoever runs the member as its failure.
  /^Crash: /,
  // Closing the driver ends what the library still waits for.
  /: the driver is closed$/,
]

/** The same line is told again after this time: while a broker is away, it comes several times a second. */
const REPEAT_MS = 10_000

/** A log for the library that passes on warnings and errors which are news. */
export function quietLog(log: KafkaLog): logCreator {
  const told = new Map<string, number>()
  return () =>
    ({ level, namespace, log: line }: LogEntry) => {
      if (line.message.startsWith('Offset out of range, resetting')) throw outOfRange(line)
      if (level > logLevel.WARN || KNOWN.some((known) => known.test(line.message))) return
      const error: unknown = line['error']
      const message = `${namespace}: ${line.message}${typeof error === 'string' ? `: ${error}` : ''}`
      const nowMs = Date.now()
      if (nowMs - (told.get(message) ?? 0) < REPEAT_MS) return
      if (told.size > 100) told.clear()
      told.set(message, nowMs)
      log(level === logLevel.ERROR ? 'error' : 'warn', message)
    }
}

/**
 * The library is about to commit "earliest" for the group and to go on there. Throwing from its own log call is the one
 * way to stop it before it does; `retriable: false` makes it end the consumer with this error as the cause.
 */
function outOfRange(line: LogEntry['log']): TidemarkError {
  const error = new TidemarkError(
    'OFFSET_OUT_OF_RANGE',
    'records were deleted from the log before they were read',
    {
      where: `${line['topic']}-${line['partition']}`,
      hint: "keep records longer (retention.ms, retention.bytes), then set the group's offset into the log",
    },
  )
  return Object.assign(error, { retriable: false })
}
