import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { PACKAGE } from '../package-root.ts'

// The sample's two weeks of flights, as records to play. What stands in them:
// topologies/samples/README.md.

const SAMPLE = new URL('topologies/samples/flights.ndjson.gz', PACKAGE)
const THREE_HOURS_MS = 3 * 3_600_000

interface Flight {
  /** Event time, ms since the epoch. */
  readonly at: number
  readonly carrierOrigin: string
  /** One flight of one day; its departure and its landing share it. */
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

/** One record to play. */
export interface DemoRecord {
  readonly key: Buffer
  readonly value: Buffer
  /** When it is played, and its own timestamp: ms since the epoch. */
  readonly timestampMs: number
  /** `null`: a broken one. */
  readonly event: FlightEvent | null
}

/** What is wrong with the broken records, and after which part of the others each comes. */
const BROKEN = [
  { after: 0.15, value: (line: string) => line.slice(0, line.length / 2) },
  { after: 0.35, value: (line: string) => edited(line, () => ({ depDelayMin: 'twelve' })) },
  { after: 0.55, value: (line: string) => edited(line, ({ at }) => ({ at: at - THREE_HOURS_MS })) },
]
/** In words: {@link BROKEN}. */
export const BROKEN_RECORDS = 'one cut off, one with text for a number, one three hours behind'

/** Every event of the sample in order of event time, and three broken records among them. */
export function readFlights(): DemoRecord[] {
  const lines = gunzipSync(readFileSync(SAMPLE)).toString('utf8').trimEnd().split('\n')
  const broken = new Map(BROKEN.map((b) => [Math.floor(b.after * lines.length), b.value]))
  return lines.flatMap((line, i) => {
    const event = JSON.parse(line) as FlightEvent
    const record = recordOf(line, event)
    const breakIt = broken.get(i)
    if (breakIt === undefined) return [record]
    return [record, { ...record, value: Buffer.from(breakIt(line)), event: null }]
  })
}

function recordOf(line: string, event: FlightEvent): DemoRecord {
  const key = Buffer.from(event.carrierOrigin)
  return { key, value: Buffer.from(line), timestampMs: event.at, event }
}

function edited(line: string, change: (event: FlightEvent) => object): string {
  const event = JSON.parse(line) as FlightEvent
  return JSON.stringify({ ...event, ...change(event) })
}
