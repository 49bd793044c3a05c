import type { Departure, FlightEvent, Landing } from './flights.ts'
import type { Verdict } from './verdicts.ts'

/** A flight that lands with a longer delay counts as late, minutes. */
export const LATE_MIN = 15

/**
 * Ranges [from, below) of the predicted chance for the flights to show, in turn: likely on time,
 * likely late, uncertain. The choice does not depend on what really happened.
 */
const SHOWN_CHANCES = [
  [0, 0.2],
  [0.6, 1.01],
  [0.2, 0.6],
] as const

/** What a {@link Board} is made with. */
export interface BoardOptions {
  /** Least event time between two departures shown, ms. */
  readonly everyMs: number
  /** Called for each departure to show, with its predicted chance of arriving late, 0 to 1. */
  readonly onDeparture: (departure: Departure, chance: number) => void
  /** Called for the landing of each flight whose departure was shown. */
  readonly onLanding: (landing: Landing, verdict: Verdict) => void
}

interface OpenFlight {
  readonly departure: Departure
  chance: number | null
  landing: Landing | null
  isShown: boolean
}

/**
 * Joins each flight's prediction with its landing, whichever comes first, and picks a few flights
 * to show. Flights that departed before the first event are ignored.
 */
export class Board {
  /** One for each flight that was predicted and has landed. */
  readonly verdicts: Verdict[] = []
  readonly #o: BoardOptions
  readonly #open = new Map<string, OpenFlight>()
  #nextMs = Number.NEGATIVE_INFINITY
  #shown = 0

  constructor(options: BoardOptions) {
    this.#o = options
  }

  /** Adds an event that was replayed. */
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

  /** Adds a prediction: the chance of arriving late, 0 to 1. */
  predict(flightId: string, chance: number): void {
    const flight = this.#open.get(flightId)
    if (flight === undefined) return
    flight.chance = chance
    flight.isShown = this.#isToShow(flight.departure.at, chance)
    if (flight.isShown) this.#o.onDeparture(flight.departure, chance)
    this.#settle(flight)
  }

  #isToShow(atMs: number, chance: number): boolean {
    const [from, below] = SHOWN_CHANCES[this.#shown % SHOWN_CHANCES.length] ?? SHOWN_CHANCES[0]
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
