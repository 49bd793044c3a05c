import { Payment } from '../../topologies/payment.ts'
import { readGolden } from '../golden/golden.ts'
import type { NewEvent } from '../services/serializers.ts'

// Events of the golden folders, for the serializers of other languages: the schemas are in
// services/serializers/schemas.

export const PARTITIONS = 6

/** How many payments, and how many flights. */
export const EVENTS = 600
/** From here on, every other payment is written with the second version of its schema. */
const MIXED_FROM = EVENTS / 4

/** By the extension of its file, the language of a schema. */
type Extension = 'avsc' | 'proto' | 'json'

/** An event as JSON has it, and where it stands. */
interface Event {
  readonly fields: Readonly<Record<string, unknown>>
  readonly at: Pick<NewEvent, 'partition' | 'key' | 'timestampMs'>
}

const payments = eventsOf('card-5k', 'paidAt', (fields) => Payment.safeParse(fields).success)
const flights = eventsOf('flight-delay', 'at', () => true)

/** The first events of a folder. @param isEvent a line of which it is not true is left out */
function eventsOf(
  folder: string,
  eventTime: string,
  isEvent: (fields: Event['fields']) => boolean,
): readonly Event[] {
  const { lines } = readGolden(new URL(`../golden/${folder}`, import.meta.url).pathname)
  const events = lines.flatMap(({ key, value, partition }): Event[] => {
    const fields = objectIn(value)
    const timestampMs = Number(fields[eventTime])
    return isEvent(fields) ? [{ fields, at: { partition, key, timestampMs } }] : []
  })
  return events.slice(0, EVENTS)
}

/** An empty one for a line that is not JSON. */
function objectIn(line: string): Event['fields'] {
  try {
    return JSON.parse(line) as Event['fields']
  } catch {
    return {}
  }
}

/** The fields that the second version of a payment adds, where not left to the default. */
const ADDED: Readonly<Record<Extension, object>> = {
  avsc: { channel: 'web', currency: 'USD' },
  proto: { channel: 'web', currency: 'USD', seenAt: '2026-01-01T00:00:00.5Z' },
  json: { channel: 'web' },
}

/** Payments in two versions of a schema. */
export function paymentsIn(extension: Extension, topic: string): NewEvent[] {
  return payments.map(({ fields, at }, i) => {
    const isSecond = i >= MIXED_FROM && i % 2 === 1
    const event = { ...fields, ...(isSecond && i % 4 === 1 ? ADDED[extension] : {}) }
    const schema = `payment-${isSecond ? 2 : 1}.${extension}`
    return { topic, ...at, schema, type: 'cards.Payment', event }
  })
}

const TIMES_AND_IDS = ['at', 'carrierOrigin', 'flightId', 'depDelayMin']
const FIELDS = {
  Departed: [...TIMES_AND_IDS, 'tailnum', 'origin', 'dest', 'distance', 'scheduledMinute'],
  Landed: [...TIMES_AND_IDS, 'arrDelayMin'],
} as const

/** Flights, whose kind is their type. */
export function flightsIn(extension: 'avsc' | 'proto', topic: string): NewEvent[] {
  return flights.map(({ fields, at }) => {
    const type = fields['kind'] === 'departed' ? 'Departed' : 'Landed'
    const event = Object.fromEntries(FIELDS[type].map((name) => [name, fields[name]]))
    return { topic, ...at, schema: `flight.${extension}`, type: `flights.${type}`, event }
  })
}

/** Records of the same events in JSON. */
export const recordsInJson = {
  payments: (topic: string) => recordsOf(payments, topic),
  flights: (topic: string) => recordsOf(flights, topic),
}

function recordsOf(events: readonly Event[], topic: string) {
  return events.map(({ fields, at: { partition, key, timestampMs } }) => ({
    ...{ topic, partition, timestampMs, headers: [] },
    ...{ key: Buffer.from(key), value: Buffer.from(JSON.stringify(fields)) },
  }))
}
