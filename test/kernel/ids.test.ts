import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { causeOf, outputId, windowId } from '../../src/kernel/ids.ts'

const name = fc.stringMatching(/^[a-zA-Z0-9._-]{1,12}$/)
const place = fc.record({ topic: name, partition: fc.nat() })

describe('what caused an output', () => {
  test('is the position of its record, whatever the sink', () => {
    fc.assert(
      fc.property(place, fc.nat(), name, ({ topic, partition }, offset, sink) => {
        const id = outputId({ topic, partition, offset, sink })
        expect(causeOf(id)).toBe(`${topic}/${partition}/${offset}`)
      }),
    )
  })

  test('is its window, whatever the sink, the key, and the sign of the start', () => {
    const window = fc.record({ key: fc.string(), startMs: fc.integer() })
    const any = fc.record({ place, one: window, two: window, sinks: fc.tuple(name, name) })
    fc.assert(
      fc.property(any, ({ place: of, one, two, sinks }) => {
        const [a, b] = sinks.map((sink) => causeOf(windowId({ ...of, ...one, sink })))
        expect(a).not.toBeNull()
        expect(a).toBe(b)
        const isSame = one.key === two.key && one.startMs === two.startMs
        expect(a === causeOf(windowId({ ...of, ...two, sink: sinks[0] }))).toBe(isSame)
      }),
    )
  })

  test('a window and a record have no cause in common', () => {
    fc.assert(
      fc.property(place, fc.nat(), fc.string(), (of, n, key) => {
        const record = causeOf(outputId({ ...of, offset: n, sink: 's' }))
        expect(causeOf(windowId({ ...of, sink: String(n), key, startMs: n }))).not.toBe(record)
      }),
    )
  })

  test.each(['', 'x', 't/0/1', 't/x/1/sink', '/0/1/sink', 't/0/sink/key'])(
    'is not in "%s"',
    (id) => {
      expect(causeOf(id)).toBeNull()
    },
  )
})
