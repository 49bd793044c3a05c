import { type LogEntry, type logCreator, logLevel } from 'kafkajs'
import type { Clock } from '../../kernel/clock.ts'
import { LET_GO } from './library.ts'
import type { KafkaLog } from './options.ts'
import { UNCONNECTED } from './sockets.ts'

// Rewrites what the library logs. Most of it is also thrown, and reported by what it stops.

/** How each line of the library about a broker is rewritten; `null`: dropped. */
const SENTENCES: readonly [RegExp, (broker: string, rest: string) => string | null][] = [
  // Closing the driver ends what the library still waits for, and so does dropping one broker.
  [/the driver is closed$/, () => null],
  [new RegExp(`${LET_GO}$`), () => null],
  // Reported as a broker that accepts no connection, or that was dropped.
  [new RegExp(`${UNCONNECTED}$`), () => null],
  [/^Connection error: (.*)/, (broker, why) => `the connection to broker ${broker} failed: ${why}`],
  [
    /^Connection timeout/,
    (broker) => `broker ${broker} does not accept a connection, or does not answer on it`,
  ],
  // A response with an error, or to a request that is no longer waited for.
  [/^Response /, () => null],
  // Reported again when the last retry has failed.
  [/^(Could not|Failed to connect) /, () => null],
  [
    /^(.*)/,
    (broker, line) => `the Kafka client says${broker && ` about broker ${broker}`}: ${line}`,
  ],
]

/** Parts of the library that throw everything they log. */
const THROWN = /^(BrokerPool|Cluster|SASL\w*)$/

/**
 * How long the same line is suppressed, ms: while a broker is down, it comes several times a
 * second.
 */
const REPEAT_MS = 60_000

/** A log for the library that passes on what is new, as warnings. */
export function quietLog(log: KafkaLog, clock: Clock): logCreator {
  const loggedMs = new Map<string, number>()
  return () =>
    ({ level, namespace, log: line }: LogEntry) => {
      if (level > logLevel.WARN || THROWN.test(namespace)) return
      const message = sentence(line)
      const now = clock.elapsedMs()
      if (
        message === null ||
        now - (loggedMs.get(message) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS
      ) {
        return
      }
      if (loggedMs.size > 100) loggedMs.clear()
      loggedMs.set(message, now)
      log(message)
    }
}

function sentence({ message, broker, error }: LogEntry['log']): string | null {
  const line = typeof error === 'string' ? `${message}: ${error}` : message
  for (const [is, say] of SENTENCES) {
    const found = is.exec(line)
    if (found !== null) return say(typeof broker === 'string' ? broker : '', found[1] ?? '')
  }
  return null
}
