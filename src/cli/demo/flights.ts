import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { PACKAGE } from '../package-root.ts'

// The sample's two weeks of flights, as records to replay. For their fields see
// topologies/samples/README.md.

const SAMPLE = new URL('topologies/samples/flights.ndjson.gz', PACKAGE)
const THREE_HOURS_MS = 3 * 3_600_000

interface Flight {
  /** Event time, ms since the epoch. */
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
/** The departure of a flight. */
export interface Departure extends Flight {
  readonly kind: 'departed'
}
/** The landing of a flight. */
export interface Landing extends Flight {
  readonly kind: 'landed'
  /** Minutes; negative: early. */
  readonly arrDelayMin: number
}
/** An event of the sample. */
export type FlightEvent = Departure | Landing

/** A record to replay. */
export interface DemoRecord {
  readonly key: Buffer
  readonly value: Buffer
  /** When it is due, and its own timestamp, ms since the epoch. */
  readonly timestampMs: number
  /** `null`: the record is broken. */
  readonly event: FlightEvent | null
}

/** The broken records, and after which fraction of the others each comes. */
const BROKEN = [
  { after: 0.15, value: (line: string) => line.slice(0, line.length / 2) },
  { after: 0.35, value: (line: string) => edited(line, () => ({ depDelayMin: 'twelve' })) },
  { after: 0.55, value: (line: string) => edited(line, ({ at }) => ({ at: at - THREE_HOURS_MS })) },
]
/** {@link BROKEN} in words. */
export const BROKEN_RECORDS = 'one cut off, one with text instead of a number, one three hours late'

/** All events of the sample in order of event time, with three broken records among them. */
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
