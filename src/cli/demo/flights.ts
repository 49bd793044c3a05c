import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { PACKAGE } from '../../host/own-package.ts'
import { auc } from '../../scoring/accuracy/measures.ts'

// Two weeks of flights to replay, and how well they were predicted. Their fields:
// topologies/samples/README.md.

const SAMPLE = new URL('topologies/samples/flights.ndjson.gz', PACKAGE)
const THREE_HOURS_MS = 3 * 3_600_000

interface Flight {
  readonly at: number
  readonly carrierOrigin: string
  /** One flight on one day; the same for its departure and its landing. */
  readonly flightId: string
  readonly carrier: string
  readonly flight: number
  readonly origin: string
  readonly dest: string
  /** Minutes; negative: early. */
  readonly depDelayMin: number
}
export interface Departure extends Flight {
  readonly kind: 'departed'
}
export interface Landing extends Flight {
  readonly kind: 'landed'
  /** Minutes; negative: early. */
  readonly arrDelayMin: number
}
export type FlightEvent = Departure | Landing

export interface DemoRecord {
  readonly key: Buffer
  readonly value: Buffer
  /** When it is due, and its own timestamp, ms since the epoch. */
  readonly timestampMs: number
  /** `null`: the record is broken. */
  readonly event: FlightEvent | null
}

type Break = (line: string, event: FlightEvent) => string
const BROKEN: readonly (readonly [after: number, Break])[] = [
  [0.15, (line) => line.slice(0, line.length / 2)],
  [0.35, (_, event) => JSON.stringify({ ...event, depDelayMin: 'twelve' })],
  [0.55, (_, event) => JSON.stringify({ ...event, at: event.at - THREE_HOURS_MS })],
]
export const BROKEN_RECORDS = 'one cut off, one with text instead of a number, one three hours late'

/** All events of the sample in order of event time, with three broken records among them. */
export function readFlights(): DemoRecord[] {
  const lines = gunzipSync(readFileSync(SAMPLE)).toString('utf8').trimEnd().split('\n')
  const broken = new Map(BROKEN.map(([after, alter]) => [Math.floor(after * lines.length), alter]))
  return lines.flatMap((line, i) => {
    const event = JSON.parse(line) as FlightEvent
    const { at: timestampMs, carrierOrigin } = event
    const record = { key: Buffer.from(carrierOrigin), value: Buffer.from(line), timestampMs, event }
    const breakIt = broken.get(i)
    if (breakIt === undefined) return [record]
    return [record, { ...record, value: Buffer.from(breakIt(line, event)), event: null }]
  })
}

export const LATE_MIN = 15

/** Ranges [from, below) of the chances to show, in turn: likely on time, likely late, uncertain. */
const SHOWN_CHANCES = [
  [0, 0.2],
  [0.6, 1.01],
  [0.2, 0.6],
] as const

interface BoardOptions {
  readonly everyMs: number
  /** Called for each departure to show, with its predicted chance of arriving late, 0 to 1. */
  readonly onDeparture: (departure: Departure, chance: number) => void
  readonly onLanding: (landing: Landing, verdict: Verdict) => void
}

interface OpenFlight {
  readonly departure: Departure
  chance: number | null
  landing: Landing | null
  isShown: boolean
}

/**
 * Joins each flight's prediction with its landing, whichever comes first, and picks some to show.
 * Ignores flights that departed before the first event.
 */
export class Board {
  readonly verdicts: Verdict[] = []
  readonly #o: BoardOptions
  readonly #open = new Map<string, OpenFlight>()
  #nextMs = Number.NEGATIVE_INFINITY
  #shown = 0

  constructor(options: BoardOptions) {
    this.#o = options
  }

  add(event: FlightEvent): void {
    if (event.kind === 'departed') {
      const flight = { departure: event, chance: null, landing: null, isShown: false }
      this.#open.set(event.flightId, flight)
      return
    }
    const flight = this.#open.get(event.flightId)
    if (flight === undefined) return
    flight.landing = event
    this.#finish(flight)
  }

  predict(flightId: string, chance: number): void {
    const flight = this.#open.get(flightId)
    if (flight === undefined) return
    flight.chance = chance
    flight.isShown = this.#isToShow(flight.departure.at, chance)
    if (flight.isShown) this.#o.onDeparture(flight.departure, chance)
    this.#finish(flight)
  }

  #isToShow(atMs: number, chance: number): boolean {
    const [from, below] = SHOWN_CHANCES[this.#shown % SHOWN_CHANCES.length] ?? SHOWN_CHANCES[0]
    if (atMs < this.#nextMs || chance < from || chance >= below) return false
    this.#nextMs = atMs + this.#o.everyMs
    this.#shown++
    return true
  }

  #finish({ departure, chance, landing, isShown }: OpenFlight): void {
    if (chance === null || landing === null) return
    this.#open.delete(departure.flightId)
    const verdict = { said: chance, wasLate: landing.arrDelayMin > LATE_MIN }
    this.verdicts.push(verdict)
    if (isShown) this.#o.onLanding(landing, verdict)
  }
}

export interface Verdict {
  readonly said: number
  readonly wasLate: boolean
}

/** The area under the ROC curve, 0 to 1; NaN: no flight was late, or none was on time. */
export function aucOf(verdicts: readonly Verdict[]): number {
  const scores = (late: boolean) => {
    const chosen = verdicts.filter(({ wasLate }) => wasLate === late)
    return Float64Array.from(chosen, ({ said }) => said).sort()
  }
  return auc(scores(true), scores(false))
}
