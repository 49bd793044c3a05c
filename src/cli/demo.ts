import { fileURLToPath } from 'node:url'
import { Command, Option } from 'commander'
import { wallClock } from '../kernel/clock.ts'
import { Durations } from '../observe/histograms.ts'
import { ObservedWorker } from '../observe/observed-worker.ts'
import { observeAll } from '../observe/observer.ts'
import type { MemoryRecords } from '../records/memory/memory-records.ts'
import type { Prepared, PreparedTopology } from '../runtime/prepared.ts'
import { startWorker } from '../runtime/worker.ts'
import type { Definition } from '../topology/definition.ts'
import { numberParser } from './arguments.ts'
import { Board, type DemoRecord, readFlights } from './demo/flights.ts'
import {
  deadLetterLine,
  departureLine,
  ending,
  landingLine,
  opening,
  type Snapshot,
  statusLine,
} from './demo/text.ts'
import { embeddedRecords, OutcomeTally, publishingRecords } from './embedded.ts'
import { untilSignal } from './exit.ts'
import { PACKAGE } from './own-package.ts'
import { ReplayPace } from './pace.ts'
import { outline, prepareFiles } from './prepared.ts'
import { colors, colorsFor, readerGone, say } from './print.ts'
import { Screen } from './progress.ts'

const TOPOLOGY = new URL('topologies/flight-delay.ts', PACKAGE)
const PARTITIONS = 3
const SECONDS = 45
/** Least time between two departures shown, s, when the demo takes {@link SECONDS}. */
const SHOWN_EVERY_S = 0.5

export function demo(): Command {
  return new Command('demo')
    .description('score real flights in this process as they depart; no Kafka, no Docker')
    .addOption(
      new Option('--seconds <n>', 'how long the demo takes; 0: as fast as possible')
        .argParser(
          numberParser('a number of seconds, 0 or more', (n) => n >= 0 && Number.isFinite(n)),
        )
        .default(SECONDS),
    )
    .action(({ seconds }: { seconds: number }) => start(seconds))
}

async function start(seconds: number): Promise<void> {
  const prepared = await prepareFiles([fileURLToPath(TOPOLOGY)])
  try {
    const { definition } = prepared.topologies[0] as PreparedTopology
    const flights = readFlights()
    const topology = outline(definition).join()
    say(opening({ records: flights.length, seconds, topology }, colors))
    await new Demo({ prepared, definition, flights, seconds }).run()
  } finally {
    await prepared.close()
  }
}

interface Setup {
  readonly prepared: Prepared
  readonly definition: Definition
  readonly flights: readonly DemoRecord[]
  readonly seconds: number
}

interface Prediction {
  readonly flightId: string
  readonly probability: number
}

class Demo {
  readonly #setup: Setup
  readonly #topic: string
  readonly #records: MemoryRecords
  readonly #pace: ReplayPace
  readonly #worker = new ObservedWorker(wallClock, [])
  readonly #tally = new OutcomeTally()
  readonly #batches = new Durations()
  readonly #board: Board
  readonly #screen: Screen
  readonly #startMs = wallClock.elapsedMs()
  #deadLetters = 0
  #nowMs: number

  constructor(setup: Setup) {
    this.#setup = setup
    const { flights, definition, seconds } = setup
    const [startMs, endMs] = [flights[0]?.timestampMs ?? 0, flights.at(-1)?.timestampMs ?? 0]
    const spanMs = endMs - startMs
    this.#nowMs = startMs
    this.#pace = new ReplayPace(spanMs / (seconds * 1_000))
    this.#screen = new Screen((columns) => statusLine(this.#snapshot(), this.#nowMs, columns))
    const c = colorsFor(process.stdout)
    this.#board = new Board({
      everyMs: (spanMs / (seconds === 0 ? SECONDS : seconds)) * SHOWN_EVERY_S,
      onDeparture: (departure, chance) => this.#screen.print(departureLine(departure, chance, c)),
      onLanding: (landing, verdict) => this.#screen.print(landingLine(landing, verdict, c)),
    })
    this.#topic = definition.source.topic
    this.#records = embeddedRecords(definition, PARTITIONS)
  }

  async run(): Promise<void> {
    const ended = untilSignal(readerGone, (line) => this.#screen.note(line))
    const worker = startWorker({
      prepared: this.#setup.prepared,
      records: publishingRecords(this.#records, async ({ outputs }) => {
        for (const { value } of outputs) {
          const { flightId, probability } = JSON.parse(String(value)) as Prediction
          this.#board.predict(flightId, probability)
        }
      }),
      group: 'demo',
      observer: observeAll(this.#worker.observer, this.#tally.observer, (event) => {
        if (event.type === 'inference') this.#batches.add(event.durationMs)
        if (event.type !== 'dead-letter') return
        this.#deadLetters++
        this.#screen.note(deadLetterLine(event, colors))
      }),
    })
    try {
      const played = this.#play().then(() => this.#records.settled('demo', this.#topic))
      await Promise.race([played, ended.promise, worker.done])
    } finally {
      this.#pace.stop()
      try {
        await worker.stop()
      } finally {
        this.#screen.end()
        ended.dispose()
        await this.#records.close()
      }
    }
    const { verdicts } = this.#board
    say(ending(this.#snapshot(), { tally: this.#tally.summary(), verdicts }, colors))
  }

  async #play(): Promise<void> {
    for await (const due of this.#pace.due(this.#setup.flights, (flight) => flight.timestampMs)) {
      for (const { event, timestampMs } of due) {
        if (event !== null) this.#board.add(event)
        this.#nowMs = timestampMs
      }
      const place = { topic: this.#topic, partition: null, headers: [] }
      this.#records.produce(
        due.map(({ key, value, timestampMs }) => ({ ...place, key, value, timestampMs })),
      )
    }
  }

  #snapshot(): Snapshot {
    const { partitions } = this.#worker
    const seconds = Math.max(wallClock.elapsedMs() - this.#startMs, 1) / 1_000
    return {
      seconds,
      perSecond: this.#tally.records / seconds,
      watermarkMs: Math.min(...partitions.map(({ watermarkMs }) => watermarkMs)),
      lag: partitions.reduce((sum, { lag }) => sum + lag, 0),
      predictions: this.#tally.outcomes.scored,
      deadLetters: this.#deadLetters,
      batchMs: this.#batches,
    }
  }
}
