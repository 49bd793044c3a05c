import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { PACKAGE } from '../host/own-package.ts'
import { prepareFiles } from '../host/topology-files.ts'
import { outline } from '../host/topology-lines.ts'
import { OutcomeTally } from '../jobs/outcome-tally.ts'
import { runStream } from '../jobs/run-stream.ts'
import { wallClock } from '../kernel/clock.ts'
import { observeAll } from '../observe/observer.ts'
import type { Prepared, PreparedTopology } from '../runtime/prepared.ts'
import { numberParser } from './arguments.ts'
import { Board, readFlights } from './demo/flights.ts'
import {
  deadLetterLine,
  departureLine,
  ending,
  landingLine,
  opening,
  statusLine,
} from './demo/text.ts'
import { untilSignal } from './exit.ts'
import { ReplayPace } from './pace.ts'
import { colorsFor, readerGone, say, sayOnOwnLine } from './print.ts'
import { Screen } from './progress.ts'

const TOPOLOGY = new URL('topologies/flight-delay.ts', PACKAGE)
const PARTITIONS = 3
const SECONDS = 15
/** Least time between two departures shown, s, when the demo takes {@link SECONDS}. */
const SHOWN_EVERY_S = 0.5

export function demo(): Command {
  return new Command('demo')
    .description('score real flights in this process as they depart; no Kafka, no Docker')
    .option(
      '--seconds <n>',
      'how long the demo takes; 0: as fast as possible',
      numberParser('a number of seconds, 0 or more', (n) => n >= 0 && Number.isFinite(n)),
      SECONDS,
    )
    .action(async ({ seconds }: { seconds: number }) => {
      const prepared = await prepareFiles([fileURLToPath(TOPOLOGY)])
      try {
        await play(prepared, seconds)
      } finally {
        await prepared.close()
      }
    })
}

async function play(prepared: Prepared, seconds: number): Promise<void> {
  const { definition } = prepared.topologies[0] as PreparedTopology
  const flights = readFlights()
  say(opening(flights.length, seconds, outline(definition).join()))
  const [startMs, endMs] = [flights[0]?.timestampMs ?? 0, flights.at(-1)?.timestampMs ?? 0]
  const spanMs = endMs - startMs
  const begunMs = wallClock.elapsedMs()
  const took = () => {
    const ms = Math.max(wallClock.elapsedMs() - begunMs, 1)
    return { seconds: ms / 1_000, word: seconds > 0 ? 'paced' : 'speed' } as const
  }
  let nowMs = startMs
  const tally = new OutcomeTally()
  const screen = new Screen(() => statusLine(nowMs, took(), tally))
  const c = colorsFor(process.stdout)
  const board = new Board({
    everyMs: (spanMs / (seconds === 0 ? SECONDS : seconds)) * SHOWN_EVERY_S,
    onDeparture: (departure, chance) => screen.print(departureLine(departure, chance, c)),
    onLanding: (landing, verdict) => screen.print(landingLine(landing, verdict, c)),
  })
  const pacing = new AbortController()
  const pace = new ReplayPace(spanMs / (seconds * 1_000), pacing.signal)
  async function* lines() {
    for await (const due of pace.due(flights, ({ timestampMs }) => timestampMs)) {
      for (const { event } of due) if (event !== null) board.add(event)
      nowMs = due.at(-1)?.timestampMs ?? nowMs
      yield Buffer.from(due.map(({ key, value }) => `${String(key)}\t${String(value)}\n`).join(''))
    }
  }
  const ended = untilSignal(readerGone)
  try {
    await runStream({
      ...{ prepared, stream: Readable.from(lines()), partitions: PARTITIONS },
      stop: ended.signal,
      observer: observeAll(tally.observer, (event) => {
        if (event.type === 'dead-letter') sayOnOwnLine(deadLetterLine(event))
      }),
      publish: async ({ outputs }) => {
        for (const { value } of outputs) {
          const prediction = JSON.parse(String(value)) as { flightId: string; probability: number }
          board.predict(prediction.flightId, prediction.probability)
        }
      },
    })
  } finally {
    ended.dispose()
    pacing.abort()
    screen.end()
  }
  say(ending(took(), tally, board.verdicts))
}
