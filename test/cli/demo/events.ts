import type { Departure, Landing } from '../../../src/cli/demo/flights.ts'

const HOUR_MS = 3_600_000
export const NOON_MS = Date.UTC(2013, 11, 5, 17)

/** A departure at so many hours after noon in New York. */
export function departure(flightId: string, hour = 0): Departure {
  return { kind: 'departed', ...flight(flightId), at: NOON_MS + hour * HOUR_MS, depDelayMin: 12 }
}

/** Its landing, three hours later. */
export function landing(departed: Departure, arrDelayMin: number): Landing {
  return { ...departed, kind: 'landed', at: departed.at + 3 * HOUR_MS, arrDelayMin }
}

function flight(flightId: string) {
  const route = { carrier: 'UA', flight: 1545, origin: 'EWR', dest: 'IAH' }
  return { flightId, carrierOrigin: 'UA-EWR', ...route }
}
