import { describe, expect, test } from 'vitest'
import type { Format } from '../../src/formats/format.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'
import { amounts, committed, joined } from './hand-worker.ts'
import { prepared, record, scorer } from './support.ts'

// A partition waits for what fails now and will succeed some time.

const FAILING = new TidemarkError('MODEL_FAILING', 'm@1 fails on so many of 2 rows')
const DOWN = new TidemarkError('REGISTRY_UNAVAILABLE', 'the schema registry: it answered 503')

/** Fails until it is mended. */
class Failing {
  asked = 0
  isMended = false
  readonly #error: TidemarkError

  constructor(error: TidemarkError) {
    this.#error = error
  }

  ask(): void {
    this.asked++
    if (!this.isMended) throw this.#error
  }
}

function failingModel(failing: Failing) {
  const by = scorer((rows) => {
    failing.ask()
    return rows
  })
  return joined(by)
}

function failingRegistry(failing: Failing) {
  const all = prepared()
  const json = all.topologies[0]?.format as Format
  const format: Format = {
    ...{ reader: json.reader, forms: json.forms, whyMade: null },
    decode: (records, slices) => json.decode(records, slices),
    prepare: async () => failing.ask(),
    checkKey: () => {},
  }
  const topologies = all.topologies.map((each) => ({ ...each, format }))
  return joined(undefined, { prepared: { ...all, topologies } })
}

describe.each([
  {
    what: 'a model that can score no event',
    kind: 'model',
    error: FAILING,
    join: failingModel,
    firstWaitMs: 1_000,
  },
  {
    what: 'a schema registry that is down',
    kind: 'schema',
    error: DOWN,
    join: failingRegistry,
    firstWaitMs: 250,
  },
] as const)('$what', ({ kind, error, join, firstWaitMs }) => {
  async function heldUp() {
    const failing = new Failing(error)
    const { member, clock, watch, worker } = await join(failing)
    member.assign(1)
    member.give(1, [record(0), record(1)])
    await watch.until((w) => w.troubles(kind).length > 0)
    return { failing, member, clock, watch, worker }
  }

  test('sets no event aside: they wait, and the worker says so', async () => {
    const { failing, member, clock, watch } = await heldUp()
    expect(watch.of('state').at(-1)).toEqual({
      ...{ type: 'state', state: 'unavailable' },
      reason: `events-0 waits: ${error.message}`,
    })
    await clock.asleepFor(firstWaitMs)
    clock.advance(firstWaitMs)
    await clock.asleepFor(2 * firstWaitMs)
    expect(failing.asked).toBe(2)
    expect(await member.commitsNothing()).toBe(true)
    failing.isMended = true
    clock.advance(2 * firstWaitMs)
    const { outputs, deadLetters } = await committed(member)
    expect(amounts(outputs)).toEqual([0, 1])
    expect(deadLetters).toEqual([])
    expect(watch.troubles(kind).map(({ reason }) => reason)).toEqual([error.message, null])
    expect(watch.of('state').at(-1)).toEqual({ type: 'state', state: 'running' })
  })

  test('is not waited for once the partition is lost', async () => {
    const { failing, member, clock, watch } = await heldUp()
    member.lose()
    await watch.until((w) => w.of('state').at(-1)?.state === 'running')
    clock.advance(60_000)
    await new Promise((resolve) => setImmediate(resolve))
    expect(failing.asked).toBe(1)
  })

  test('is not waited for by a worker that is told to stop, which commits nothing of it', async () => {
    const { member, worker } = await heldUp()
    await worker.stop()
    expect(await member.commitsNothing()).toBe(true)
  })
})
