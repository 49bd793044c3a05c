import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { compareGolden, readGolden, unscored } from './golden.ts'
import { throughDriver } from './through-driver.ts'
import { withoutModel } from './without-model.ts'

const folder = (name: string) => readGolden(fileURLToPath(new URL(`./${name}`, import.meta.url)))

test.each(['card-5k', 'card-28h', 'card-edge', 'flight-delay'])(
  'through the testing driver, every line of %s gets its expected answer',
  async (name) => {
    const golden = folder(name)
    const { answers, outcomes } = await throughDriver(golden)
    expect(compareGolden(golden, answers)).toEqual([])
    const { scored, skipped, late, dead } = outcomes
    expect(scored + skipped + late + dead).toBe(golden.lines.length)
  },
)

test.each(['card-28h', 'flight-delay'])(
  'without a model, every line of %s that a model would score gives its features',
  async (name) => {
    const golden = folder(name)
    const { answers } = await throughDriver(golden, withoutModel)
    expect(compareGolden(unscored(golden), answers)).toEqual([])
  },
)

test('with the future guard, the clock of card-edge that is ten years ahead is set aside and the next event is scored', async () => {
  const golden = folder('card-edge')
  const { answers, places, deadLetters } = await throughDriver({ ...golden, maxAhead: null })
  const codeOf = (line: number) =>
    deadLetters.find(
      (d) => d.partition === places[line]?.partition && d.offset === places[line]?.offset,
    )?.code
  expect(codeOf(49)).toBe('FUTURE')
  expect(answers[50]?.outcome).toBe('scored')
  const others = golden.expected.map((e, line) => (line === 49 || line === 50 ? answers[line] : e))
  expect(compareGolden({ ...golden, expected: others as typeof golden.expected }, answers)).toEqual(
    [],
  )
})
