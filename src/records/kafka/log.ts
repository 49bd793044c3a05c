import { type LogEntry, type logCreator, logLevel } from 'kafkajs'
import type { KafkaLog } from './options.ts'

// What the library logs.

/** Lines that report what this driver handles and reports itself, or what it knows and means. */
const KNOWN = [
  // A rebalance, as any group has it: `assigned` and `lost` tell it.
  /^Response (Heartbeat|JoinGroup|SyncGroup|LeaveGroup)\(/,
  // A group that is the first one on a young broker.
  /^Response (FindCoordinator|GroupCoordinator)\(/,
  // One more line about a connection error that has just been told.
  /^Failed to connect to (seed )?broker/,
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
