import { beforeAll, describe, expect, test } from 'vitest'
import type { Definition, Step } from '../../src/topology/definition.ts'
import type { Place } from './answers.ts'
import { compareGolden, firstLines, type Golden, readGolden, SEVERAL_MODELS } from './golden.ts'
import { throughDriver } from './through-driver.ts'

/** Routes have no memory; long/golden-cli.test.ts runs all lines. */
const LINES = 500

const folder = (name: string) =>
  firstLines(readGolden(new URL(name, import.meta.url).pathname), LINES)

/** The first output of a partition that stands before one of an earlier record. */
function firstOutOfOrder(outputs: readonly Place[]): Place | undefined {
  const newest = new Map<number, number>()
  return outputs.find(({ partition, offset }) => {
    const before = newest.get(partition) ?? -1
    newest.set(partition, offset)
    return offset <= before
  })
}

/** The answers, with a dead letter for each line that the fallback scored. */
function withoutFallback(golden: Golden): Golden {
  const expected = golden.expected.map((answer) => {
    const { partition = -1, route = '' } = answer
    return route.startsWith('fallback:') ? { outcome: 'malformed' as const, partition } : answer
  })
  return { ...golden, expected }
}

/** The topology, with nothing to fall back on. */
function unguarded<T extends Definition>(topology: T): T {
  const change = (then: readonly Step[]): Step[] =>
    then.map((step) => {
      if (step.op === 'sink') return step
      const changed = { ...step, then: change(step.then) }
      return changed.op === 'score' ? { ...changed, fallback: null } : changed
    })
  return { ...topology, then: change(topology.then) }
}

describe.each(SEVERAL_MODELS)('through the testing driver, %s', (name) => {
  const golden = folder(name)
  let run: Awaited<ReturnType<typeof throughDriver>>
  beforeAll(async () => {
    run = await throughDriver(golden)
  })

  test('gives every line the score, model and route that the oracle gives it', () => {
    expect(compareGolden(golden, run.answers)).toEqual([])
  })

  test('gives its outputs in log order, whatever their route', () => {
    expect(firstOutOfOrder(run.outputs)).toBeUndefined()
  })

  test('says model and route in the headers of each output', () => {
    const odd = run.outputs.find(({ headers, value }) => {
      const { model, route } = value as { readonly model: string; readonly route: string }
      const { 'tidemark-route': saidRoute, 'tidemark-model': saidModel = '' } = headers
      const [said, build = ''] = saidModel.split('+')
      return saidRoute !== route || said !== model || !/^[0-9a-f]{8}$/.test(build)
    })
    expect(odd).toBeUndefined()
  })
})

test('without a fallback, the payments that their model cannot score are dead letters, and no others', async () => {
  const golden = withoutFallback(folder('card-fallback'))
  const { answers, deadLetters } = await throughDriver(golden, unguarded)
  expect(compareGolden(golden, answers)).toEqual([])
  const codes = new Set(deadLetters.map(({ code }) => code))
  expect(codes).toContain('SCORE_FAILED')
  expect(codes).toContain('SCORE_NOT_FINITE')
})
