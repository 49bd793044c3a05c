import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { compareGolden, firstLines, readGolden, unscored } from './golden.ts'
import { throughDriver } from './through-driver.ts'
import { withoutModel } from './without-model.ts'

/** restart.test.ts has windows of a day; long/golden-cli.test.ts runs all lines. */
const LINES = 1_500
const folder = (name: string) =>
  firstLines(readGolden(fileURLToPath(new URL(`./${name}`, import.meta.url))), LINES)

test.each(['card-28h', 'card-edge', 'flight-delay'])(
  'through the testing driver, each of the first lines of %s gets its expected answer',
  async (name) => {
    const golden = folder(name)
    const { answers, outcomes } = await throughDriver(golden)
    expect(compareGolden(golden, answers)).toEqual([])
    const { scored, skipped, late, dead } = outcomes
    expect(scored + skipped + late + dead).toBe(golden.lines.length)
  },
)

test('without a model, every line that a model would score gives its features', async () => {
  const golden = folder('flight-delay')
  const { answers } = await throughDriver(golden, withoutModel)
  expect(compareGolden(unscored(golden), answers)).toEqual([])
})

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
