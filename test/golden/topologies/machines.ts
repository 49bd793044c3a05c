// Which machine will fail? Readings as people have them: fields in fields, ISO times with offsets,
// values that are missing; the features of pandas, and an alert.
import { defineTopology, file, hours, isoTime, minutes, onnxModel } from 'tidemark'
import { z } from 'zod'

const Reading = z.object({
  id: z.string(),
  machine: z.object({ id: z.string(), site: z.string() }),
  ts: z.iso.datetime({ offset: true }),
  temperature: z.number(),
  vibration: z.number().nullish(),
  status: z.string(),
  isFault: z.boolean(),
})
const Machine = z.object({ id: z.string(), ratedPower: z.number() })

const machineFailure = onnxModel({
  name: 'machine-failure',
  version: '1',
  file: new URL('../../fixtures/models/machine-failure.onnx', import.meta.url),
  sha256: '5fe6684d606dc949db1f09febe8381b1cc1edf0828e627f27648e47c5de4d8ba',
  input: 'features',
  features: [
    'temperature',
    'previous',
    'change',
    'hour',
    'status',
    'sinceLast',
    'faults24h',
    'vibration6h',
    'ratedPower',
    'z',
    'heating',
  ],
  outputs: { probability: { tensor: 'probabilities', column: 1 } },
})

export default defineTopology('machines', (t) => {
  const machines = t.table('machines', {
    schema: Machine,
    key: (m) => m.id,
    from: file(new URL('../machines/machines.ndjson', import.meta.url)),
  })
  const { alert, rest } = t
    .source('readings', {
      schema: Reading,
      key: (r) => r.machine.id,
      eventTimeMs: isoTime((r) => r.ts),
      watermark: { lag: minutes(10) },
      onLate: 'dead-letter',
    })
    .features((f) => {
      const all = f.events({
        at: isoTime((r) => r.ts),
        temperature: (r) => r.temperature,
        vibration: { of: (r) => r.vibration, missing: 'skip' },
        status: (r) => r.status,
        isFault: (r) => r.isFault,
      })
      const hour = all.rolling(hours(1))
      const day = all.rolling(hours(24))
      return {
        temperature: all.value('temperature'),
        previous: day.previous('temperature'),
        change: day.delta('temperature'),
        hour: all.hourOfDay('at'),
        status: all.code('status', ['idle', 'run', 'fault'], { unknown: -1 }),
        sinceLast: day.secondsSinceLast({ empty: 86_400 }),
        faults24h: day.where('isFault').count(),
        vibration6h: all.rolling(hours(6)).mean('vibration'),
        ratedPower: all.lookup(machines, (r) => r.machine.id).value((m) => m.ratedPower),
        mean1h: hour.mean('temperature'),
        mean24h: day.before().mean('temperature'),
        std24h: day.before().std('temperature'),
      }
    })
    .derive(
      {
        z: ({ temperature, mean24h, std24h }) =>
          std24h > 0 ? (temperature - mean24h) / std24h : NaN,
        heating: ({ mean1h, mean24h }) => mean1h / mean24h,
      },
      { drop: ['mean1h', 'mean24h', 'std24h'] },
    )
    .score(machineFailure, { missing: 'nan' })
    .branch({ alert: (s) => s.score.probability > 0.8 })
  return [
    alert.map((s) => ({ id: s.event.id, probability: s.score.probability })).sink('alerts'),
    rest.map((s) => ({ id: s.event.id, probability: s.score.probability })).sink('failures'),
  ]
})
