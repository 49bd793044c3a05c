import type { Departure, FlightEvent, Landing } from './flights.ts'
import type { Verdict } from './verdicts.ts'

/** A flight that lands with more delay is late, minutes. */
export const LATE_MIN = 15

/**
 * The chance that the next shown flight must have: likely on time, likely late, open. It is no
 * choice by what happened.
 */
const WANTED = [
  [0, 0.2],
  [0.6, 1.01],
  [0.2, 0.6],
] as const

export interface BoardOptions {
  /** Event time from one shown departure to the next, at least, ms. */
  readonly everyMs: number
  readonly onDeparture: (departure: Departure, chance: number) => void
  /** The landing of a flight whose departure was shown. */
  readonly onLanding: (landing: Landing, verdict: Verdict) => void
}

interface OpenFlight {
  readonly departure: Departure
  chance: number | null
  landing: Landing | null
  isShown: boolean
}

/**
 * Brings together what was said of a flight and how it landed, whichever comes first, and picks a
 * few to show. Flights that left before the first event are left out.
 */
export class Board {
  /** Of every flight that was predicted and has landed. */
  readonly verdicts: Verdict[] = []
  readonly #o: BoardOptions
  readonly #open = new Map<string, OpenFlight>()
  #nextMs = Number.NEGATIVE_INFINITY
  #shown = 0

  constructor(options: BoardOptions) {
    this.#o = options
  }

  /** Takes an event that was played. */
  add(event: FlightEvent): void {
    if (event.kind === 'departed') {
      const flight = { departure: event, chance: null, landing: null, isShown: false }
      this.#open.set(event.flightId, flight)
      return
    }
    const flight = this.#open.get(event.flightId)
    if (flight === undefined) return
    flight.landing = event
    this.#settle(flight)
  }

  /** Takes a prediction. */
  predict(flightId: string, chance: number): void {
    const flight = this.#open.get(flightId)
    if (flight === undefined) return
    flight.chance = chance
    flight.isShown = this.#takes(flight.departure.at, chance)
    if (flight.isShown) this.#o.onDeparture(flight.departure, chance)
    this.#settle(flight)
  }

  #takes(atMs: number, chance: number): boolean {
    const [from, below] = WANTED[this.#shown % WANTED.length] ?? WANTED[0]
    if (atMs < this.#nextMs || chance < from || chance >= below) return false
    this.#nextMs = atMs + this.#o.everyMs
    this.#shown++
    return true
  }

  #settle({ departure, chance, landing, isShown }: OpenFlight): void {
    if (chance === null || landing === null) return
    this.#open.delete(departure.flightId)
    const verdict = { said: chance, wasLate: landing.arrDelayMin > LATE_MIN }
    this.verdicts.push(verdict)
    if (isShown) this.#o.onLanding(landing, verdict)
  }
}
