import { defineTopology, minutes, type Table, type TopologyBuilder } from 'tidemark'
import { z } from 'zod'
import { model } from './merchants.ts'

// Departures, and the weather at their airports as of their own time.

const Departed = z.object({ flightId: z.string(), origin: z.string(), at: z.number() })
const Weather = z.object({
  origin: z.string(),
  availableAt: z.number(),
  tempF: z.number().nullable(),
})
type WeatherRow = z.infer<typeof Weather>

/** The weather of each airport, by the time from which it is known. */
export function weatherOf(
  t: TopologyBuilder,
  from: { readonly file: URL } | { readonly topic: string },
): Table<WeatherRow> {
  const shared = {
    schema: Weather,
    key: (w: WeatherRow) => w.origin,
    asOf: (w: WeatherRow) => w.availableAt,
  }
  return 'file' in from
    ? t.table('weather', { ...shared, from })
    : t.table('weather', { ...shared, from })
}

/** `flights` → the temperature at the airport, −1 if not known → `temperatures`. */
export function departures(table: (t: TopologyBuilder) => Table<WeatherRow>) {
  return defineTopology('departures', (t) => {
    const weather = table(t)
    return t
      .source('flights', {
        schema: Departed,
        key: (d) => d.origin,
        eventTimeMs: (d) => d.at,
        watermark: { lag: minutes(10), maxAhead: 'none' },
        onLate: 'score',
      })
      .features((f) => {
        const departed = f.events({ at: () => 0 })
        const there = departed.lookup(weather, (d) => d.origin)
        return { amount: departed.value('at'), risk: there.value((w) => w.tempF ?? Number.NaN) }
      })
      .score(model, { missing: 'nan' })
      .map((s) => ({
        flightId: s.event.flightId,
        tempF: Number.isNaN(s.features.risk) ? -1 : s.features.risk,
      }))
      .sink('temperatures')
  })
}
