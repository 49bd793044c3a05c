import { fileURLToPath } from 'node:url'
import { Command, Option } from 'commander'
import { wallClock } from '../kernel/clock.ts'
import { observeAll } from '../observe/observer.ts'
import type { MemoryRecords } from '../records/memory/memory-records.ts'
import type { Prepared, PreparedTopology } from '../runtime/prepared.ts'
import { startWorker } from '../runtime/worker.ts'
import { numberParser } from './arguments.ts'
import { Figures } from './demo/figures.ts'
import { Board, type DemoRecord, readFlights } from './demo/flights.ts'
import {
  deadLetterLine,
  departureLine,
  ending,
  landingLine,
  opening,
  statusLine,
} from './demo/text.ts'
import { embeddedRecords, publishingRecords } from './embedded.ts'
import { untilSignal } from './exit.ts'
import { PACKAGE } from './own-package.ts'
import { paced, spanMs } from './pace.ts'
import { outline, prepareFiles } from './prepared.ts'
import { colors, colorsFor, readerGone, say } from './print.ts'
import { Screen } from './progress.ts'
import { OutcomeTally } from './totals.ts'

const TOPOLOGY = new URL('topologies/flight-delay.ts', PACKAGE)
const PARTITIONS = 3
const SECONDS = 45
/** Least time between two departures shown, s, when the demo takes {@link SECONDS}. */
const SHOWN_EVERY_S = 0.5

/** `tidemark demo` */
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
    const topology = prepared.topologies[0] as PreparedTopology
    const flights = readFlights()
    say(
      opening(
        { records: flights.length, seconds, topology: outline(topology.definition).join() },
        colors,
      ),
    )
    await new Demo({ prepared, topology, flights, seconds }).run()
  } finally {
    await prepared.close()
  }
}

interface Setup {
  readonly prepared: Prepared
  readonly topology: PreparedTopology
  readonly flights: readonly DemoRecord[]
  readonly seconds: number
}

interface Prediction {
  readonly flightId: string
  readonly probability: number
}

/** Replays the flights to a worker of the real runtime, on records in memory, and shows results. */
class Demo {
  readonly #setup: Setup
  readonly #records: MemoryRecords
  readonly #figures = new Figures(wallClock)
  readonly #tally = new OutcomeTally()
  readonly #board: Board
  readonly #screen: Screen
  #nowMs: number

  constructor(setup: Setup) {
    this.#setup = setup
    const { flights, topology, seconds } = setup
    this.#nowMs = flights[0]?.timestampMs ?? 0
    this.#screen = new Screen((columns) =>
      statusLine(this.#figures.snapshot(), this.#nowMs, columns),
    )
    const c = colorsFor(process.stdout)
    this.#board = new Board({
      everyMs: (spanMs(flights) / (seconds === 0 ? SECONDS : seconds)) * SHOWN_EVERY_S,
      onDeparture: (departure, chance) => this.#screen.print(departureLine(departure, chance, c)),
      onLanding: (landing, verdict) => this.#screen.print(landingLine(landing, verdict, c)),
    })
    this.#records = embeddedRecords(topology.definition, PARTITIONS)
  }

  async run(): Promise<void> {
    const { prepared, topology } = this.#setup
    const startMs = wallClock.elapsedMs()
    const ended = untilSignal(readerGone, (line) => this.#screen.note(line))
    const stop = new AbortController()
    const worker = startWorker({
      prepared,
      records: publishingRecords(this.#records, async ({ outputs }) => {
        for (const { value } of outputs) {
          const { flightId, probability } = JSON.parse(String(value)) as Prediction
          this.#board.predict(flightId, probability)
        }
      }),
      group: 'demo',
      observer: observeAll(this.#figures.observer, this.#tally.observer, (event) => {
        if (event.type === 'dead-letter') this.#screen.note(deadLetterLine(event, colors))
      }),
    })
    try {
      const { topic } = topology.definition.source
      const played = this.#play(stop.signal).then(() => this.#records.settled('demo', topic))
      await Promise.race([played, ended.promise, worker.done])
    } finally {
      stop.abort()
      try {
        await worker.stop()
      } finally {
        this.#screen.end()
        ended.dispose()
        await this.#records.close()
      }
    }
    const tookMs = wallClock.elapsedMs() - startMs
    const { verdicts } = this.#board
    say(ending({ figures: this.#figures, tally: this.#tally.summary(), verdicts, tookMs }, colors))
  }

  async #play(signal: AbortSignal): Promise<void> {
    const { flights, seconds, topology } = this.#setup
    const { topic } = topology.definition.source
    for await (const due of paced(flights, { seconds, clock: wallClock, signal })) {
      for (const { event, timestampMs } of due) {
        if (event !== null) this.#board.add(event)
        this.#nowMs = timestampMs
      }
      this.#records.produce(
        due.map(({ key, value, timestampMs }) => ({
          topic,
          partition: null,
          key,
          value,
          timestampMs,
          headers: [],
        })),
      )
    }
  }
}
