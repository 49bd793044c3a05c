import { type LogEntry, type logCreator, logLevel } from 'kafkajs'
import type { Clock } from '../../kernel/clock.ts'
import { LET_GO } from './library.ts'
import type { KafkaLog } from './options.ts'
import { UNCONNECTED } from './sockets.ts'

// What the library logs, in our words. Most of it is thrown as well, and told by whoever it stops.

/** What the library says of a broker, by its line. */
const SENTENCES: readonly [RegExp, (broker: string, rest: string) => string | null][] = [
  // Closing the driver ends what the library still waits for, and so does letting go of one broker.
  [/the driver is closed$/, () => null],
  [new RegExp(`${LET_GO}$`), () => null],
  // Told as one that takes no connection, or let go of.
  [new RegExp(`${UNCONNECTED}$`), () => null],
  [/^Connection error: (.*)/, (broker, why) => `the connection to broker ${broker} failed: ${why}`],
  [
    /^Connection timeout/,
    (broker) => `broker ${broker} takes no connection, or does not answer on it`,
  ],
  // An answer with an error in it, or one to a question that is no longer waited for.
  [/^Response /, () => null],
  // Told again once nothing helps any more.
  [/^(Could not|Failed to connect) /, () => null],
  [/^(.*)/, (broker, line) => `the Kafka client says${broker && ` of broker ${broker}`}: ${line}`],
]

/** Parts of the library that throw all that they log. */
const THROWN = /^(BrokerPool|Cluster|SASL\w*)$/

/**
 * The same line is told again after this time, ms: while a broker is away, it comes several times a
 * second.
 */
const REPEAT_MS = 60_000

/** A log for the library that passes on what is news, as warnings. */
export function quietLog(log: KafkaLog, clock: Clock): logCreator {
  const told = new Map<string, number>()
  return () =>
    ({ level, namespace, log: line }: LogEntry) => {
      if (level > logLevel.WARN || THROWN.test(namespace)) return
      const message = sentence(line)
      const now = clock.elapsedMs()
      if (message === null || now - (told.get(message) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) {
        return
      }
      if (told.size > 100) told.clear()
      told.set(message, now)
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
