import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { loadScorers } from '../../src/scoring/models.ts'
import { folderWith } from '../support/folder.ts'
import { cardModel, gateFaults, goldenOf, useOf } from './support.ts'

// How close a model's scores must be to its golden outputs.

function goldenFile(golden: object): URL {
  const folder = folderWith({ 'golden.json': JSON.stringify(golden) })
  return pathToFileURL(join(folder, 'golden.json'))
}

/** The message of the first fault of a model and its golden rows; `null`: there is none. */
async function refusal(name: string, other: object, golden: object): Promise<string | null> {
  const [fault] = await gateFaults(cardModel(name, { ...other, golden: goldenFile(golden) }))
  return fault?.message ?? null
}

/** The refusal of a model that returns a + b, with golden rows in which b is 0. */
function sums(
  outputs: readonly number[],
  { given = outputs, ...more }: { given?: readonly number[]; tolerance?: unknown } = {},
) {
  const definition = { features: ['a', 'b'], outputs: { sum: { tensor: 'f32', column: 0 } } }
  const inputs = given.map((a) => [a, 0])
  return refusal('every-type', definition, {
    features: ['a', 'b'],
    inputs,
    outputs,
    output: 'f32',
    ...more,
  })
}

describe('a score may differ from its golden output', () => {
  test('by the shortening of its decimal', async () => {
    expect(await sums([566_211.5625], { given: [566_211.56] })).toBeNull()
    expect(await sums([566_211.56], { given: [566_211.5625] })).toBeNull()
  })

  test.each([
    [566_211, 566_215, true],
    [566_211, 566_235, false],
    [0.5, 0.500009, true],
    [0.5, 0.50002, false],
  ])(
    'by a hundred-thousandth of the larger of their column and itself: %d for %d',
    async (b, a, passes) => {
      expect((await sums([b], { given: [a] })) === null).toBe(passes)
    },
  )

  test('around 0 by a fraction of the largest of its column', async () => {
    expect(await sums([1_000, 0], { given: [1_000, 0.009] })).toBeNull()
    expect(await sums([1_000, 0], { given: [1_000, 0.011] })).toMatch(/1 of 2 outputs differ/)
  })

  test('but not in its sign, however small all scores are', async () => {
    expect(await sums([-1e-6, -2e-6], { given: [1e-6, 2e-6] })).toMatch(/2 of 2 outputs differ/)
    expect(await sums([1e-10, -1e-10], { given: [-1e-10, 1e-10] })).toBeNull()
  })

  test('by more if the file says so, but never by less, and only within bounds', async () => {
    expect(await sums([100], { given: [101], tolerance: 1e-2 })).toBeNull()
    for (const tolerance of [1e-6, 0.5, '0.01', null]) {
      expect(await sums([100], { tolerance })).toMatch(
        /"tolerance" is not a number from 0.00001 to 0.1/,
      )
    }
  })
})

test('every golden row is compared, however many there are', async () => {
  const outputs = Array.from({ length: 700 }, (_, i) => i)
  expect(await sums(outputs)).toBeNull()
  expect(await sums(outputs, { given: outputs.with(699, 1) })).toMatch(/1 of 700 .* row 699 gives/)
})

describe('golden rows are run as events will be', () => {
  // Each score is divided by the largest of its batch: alone, all are 1.
  const definition = { features: ['a', 'b'], outputs: { score: { tensor: 'score', column: 0 } } }
  const golden = {
    features: ['a', 'b'],
    output: 'score',
    inputs: [
      [1, 2],
      [3, 4],
    ],
  }

  test('one by one if a row scores differently in a batch', async () => {
    expect(await refusal('batch-mates', definition, { ...golden, outputs: [1, 1] })).toBeNull()
    const together = { ...golden, outputs: [0.5, 1] }
    expect(await refusal('batch-mates', definition, together)).toMatch(
      /row 0 gives score = 1, golden is 0\.5/,
    )
  })

  test('in batches if another step of the model chose these, by golden rows that do not show it', async () => {
    const useWith = (step: string, inputs: readonly (readonly number[])[]) => {
      const rows = goldenFile({ ...golden, inputs, outputs: inputs.map(() => 1) })
      return useOf(cardModel('batch-mates', { ...definition, golden: rows }), { step })
    }
    const uses = [useWith('a', golden.inputs.slice(0, 1)), useWith('b', golden.inputs)]
    const { scorers, faults } = await loadScorers(uses, new Map())
    for (const scorer of scorers.values()) await scorer.close()
    expect(faults.map(({ code }) => code)).toEqual(['MODEL_GOLDEN'])
  })

  test('on the thread that serves long batches', async () => {
    const model = cardModel('card-mlp-large', { golden: goldenOf('card-mlp-large') })
    const { scorers, faults } = await loadScorers([useOf(model)], new Map())
    for (const scorer of scorers.values()) await scorer.close()
    expect(faults).toEqual([])
  })
})

test('a tensor with another number of columns than its file declares is refused', async () => {
  const definition = { features: ['a', 'b'], outputs: { risk: { tensor: 'risk', column: 0 } } }
  const golden = { features: ['a', 'b'], inputs: [[1, 2]], outputs: [[0.1, 0.2, 0.3]] }
  expect(await refusal('says-one-column', definition, golden)).toMatch(
    /shape \[4, 3\] for 4 rows: the file says that it has 1 column$/,
  )
})
