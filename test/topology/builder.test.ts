import { defineTopology, describe as explain, minutes, onnxModel, seconds } from 'tidemark'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { TidemarkError } from '../../src/kernel/errors.ts'
import type { Definition } from '../../src/topology/definition.ts'
import { stepsOf } from '../../src/topology/graph.ts'
import type { SinkOrSinks, Stream, TopologyBuilder } from '../../src/topology/stream.ts'
import { batchOf } from '../engine/batch.ts'
import { engineFor } from '../engine/engine-for.ts'
import { whole } from '../engine/whole.ts'

const Event = z.object({ k: z.string(), at: z.number(), amount: z.number() })
type Event = z.infer<typeof Event>

const model = onnxModel({
  name: 'm',
  version: '1',
  file: new URL('file:///m.onnx'),
  sha256: '00',
  input: 'x',
  features: ['amount', 'count'],
  outputs: { p: { tensor: 'p', column: 0 } },
})

function source(t: TopologyBuilder, topic = 'in'): Stream<Event> {
  return t.source(topic, {
    schema: Event,
    key: (e) => e.k,
    eventTimeMs: (e) => e.at,
    watermark: { lag: seconds(1) },
    onLate: 'drop',
  })
}

/** Scores a stream and writes it to a topic. */
function scoredTo(stream: Stream<Event>, topic: string) {
  return stream
    .features((f) => {
      const events = f.events({ amount: (e) => e.amount })
      return { amount: events.value('amount'), count: events.rolling(minutes(1)).count() }
    })
    .score(model)
    .map((s) => s.score)
    .sink(topic)
}

function build(of: (t: TopologyBuilder) => SinkOrSinks): Definition {
  return defineTopology('test', of)
}

function names(definition: Definition): string[] {
  return [...stepsOf(definition.then)].map((step) => step.name)
}

function faultOf(of: (t: TopologyBuilder) => SinkOrSinks): TidemarkError {
  try {
    build(of)
  } catch (thrown) {
    if (thrown instanceof TidemarkError) return thrown
    throw thrown
  }
  throw new Error('nothing was thrown')
}

describe('names of steps', () => {
  const plain = build((t) => scoredTo(source(t), 'out'))

  test('say what a step is about', () => {
    expect(names(plain)).toEqual(['features', 'm', 'map', 'out'])
  })

  test('of windows, models and sinks stay when a map or a where is put before them', () => {
    const more = build((t) => {
      const before = source(t).where((e) => e.amount > 0)
      return scoredTo(
        before.map((e) => e).where(() => true),
        'out',
      )
    })
    const kept = (definition: Definition) =>
      names(definition).filter((n) => !/^(map|where)/.test(n))
    expect(kept(more)).toEqual(kept(plain))
  })

  test('stay when another way to the same topic is added behind them', () => {
    const two = build((t) => {
      const events = source(t)
      return [scoredTo(events, 'out'), scoredTo(events, 'out')]
    })
    expect(names(two)).toEqual('features m map out features-2 m-2 map-2 out-2'.split(' '))
  })

  test('are unique, also where a topic is called like a numbered step', () => {
    const odd = build((t) => {
      const events = source(t)
      const first = events.sink('map-2')
      return [first, events.map((e) => e).sink('a'), events.map((e) => e).sink('b')]
    })
    expect(names(odd)).toEqual(['map-2', 'map', 'a', 'map-3', 'b'])
  })
})

test('a step that leads to no sink is left out', () => {
  const definition = build((t) => {
    const events = source(t)
    events.map(() => 1).where(() => true)
    return events.sink('out')
  })
  expect(names(definition)).toEqual(['out'])
})

test('the dead-letter topic is called after the source', () => {
  expect(build((t) => source(t, 'payments').sink('out')).deadLetterTopic).toBe('payments.dlq')
})

test('a topology is frozen through and through, its model too', () => {
  const definition = build((t) => {
    const { big, rest } = source(t).branch({ big: (e) => e.amount > 9 })
    return [scoredTo(big, 'out'), rest.sink('rest')]
  })
  const thawed: string[] = []
  const look = (value: unknown, path: string) => {
    const isData =
      typeof value === 'object' &&
      value !== null &&
      [Object.prototype, Array.prototype].includes(Object.getPrototypeOf(value))
    if (!isData) return
    if (!Object.isFrozen(value)) thawed.push(path)
    for (const [name, inner] of Object.entries(value)) {
      if (name !== 'schema') look(inner, `${path}.${name}`)
    }
  }
  look(definition, '')
  expect(thawed).toEqual([])
  expect(JSON.stringify(explain(definition))).toContain('"amount"')
})

describe('refused at once', () => {
  test('a second source, with what to do instead', () => {
    const fault = faultOf((t) => {
      source(t, 'a')
      return source(t, 'b').sink('out')
    })
    expect(fault.message).toBe('topology "test": two sources, "a" and "b"')
    expect(fault.code).toBe('TOPOLOGY_INVALID')
    expect(fault.hint).toContain('one source per topology')
    expect(fault.hint).toContain('makes many events of a backlog late')
  })

  test('no source', () => {
    expect(faultOf(() => []).message).toContain('no source')
  })

  test('a sink that is not returned, by its name', () => {
    const fault = faultOf((t) => {
      const events = source(t)
      events.sink('forgotten')
      return events.sink('out')
    })
    expect(fault.message).toContain('sink "forgotten" is not returned')
  })

  test('a sink of another topology', () => {
    let foreign: SinkOrSinks = []
    build((t) => {
      const sink = source(t).sink('other')
      foreign = sink
      return sink
    })
    const fault = faultOf((t) => {
      source(t)
      return foreign
    })
    expect(fault.message).toContain('not one of this topology')
  })

  test('a branch named rest', () => {
    const fault = faultOf((t) =>
      source(t)
        .branch({ rest: () => true })
        .rest.sink('out'),
    )
    expect(fault.message).toContain('a branch named "rest"')
  })
})

describe('branch', () => {
  const asked: string[] = []
  const ask = (name: string, holds: boolean) => {
    asked.push(name)
    return holds
  }
  const definition = build((t) => {
    const { small, even, rest } = source(t).branch({
      small: (e) => ask('small', e.amount < 10),
      even: (e) => ask('even', e.amount % 2 === 0),
    })
    return [small.sink('small'), even.sink('even'), rest.sink('rest')]
  })
  /** The topics that an event comes to. */
  const takenBy = (amount: number) => {
    const engine = engineFor(definition)
    const given = { key: 'k', timeMs: 0, event: { k: 'k', at: 0, amount } }
    const { ready } = whole(engine.process(batchOf(engine, [given])))
    return ready.filter(({ indices }) => indices.length > 0).map(({ step }) => step.name)
  }

  test.each([
    [4, 'small'],
    [5, 'small'],
    [12, 'even'],
    [13, 'rest'],
  ])(
    'an event of amount %i goes to %s alone: the first condition that holds decides',
    (amount, name) => {
      expect(takenBy(amount)).toEqual([name])
    },
  )

  test('a condition is not asked when an earlier one holds', () => {
    asked.length = 0
    takenBy(4)
    expect(asked).toContain('small')
    expect(asked).not.toContain('even')
  })

  test('its description shows the conditions, so that none changes unseen', () => {
    const [small, , even, , rest] = explain(definition).steps
    expect(small?.detail).toEqual({ noneOf: [], keep: expect.stringContaining('< 10') })
    expect(even?.detail).toEqual({
      noneOf: [expect.stringContaining('< 10')],
      keep: expect.stringContaining('% 2'),
    })
    expect(rest?.detail).toEqual({
      noneOf: [expect.stringContaining('< 10'), expect.stringContaining('% 2')],
      keep: 'the rest',
    })
  })
})

test('a schema of zod that has a property named format is a schema alone', () => {
  const definition = defineTopology('celsius', (t) => {
    t.table('units', { schema: z.string(), key: (row) => row, from: { topic: 'units' } })
    return t
      .source('readings', {
        schema: z.number(),
        decode: ({ value }) => value.readDoubleBE(),
        key: String,
        eventTimeMs: 'record',
        watermark: { lag: seconds(1) },
        onLate: 'drop',
      })
      .sink('celsius')
  })
  expect(definition.source.format.is).toBe('decode')
  expect(definition.tables[0]?.format).toEqual({ is: 'json' })
})
