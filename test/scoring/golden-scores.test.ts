import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { folderWith } from '../support/folder.ts'
import { cardModel, gateFaults } from './support.ts'

describe('golden rows that name their scores', () => {
  const features = ['a', 'b']
  const outputs = {
    risk: { tensor: 'risk', columns: ['low', 'mid', 'high'] },
    label: { tensor: 'label', column: 0 },
  }
  const inputs = [
    [0, 0],
    [0, 5],
  ]
  const third = { low: 1 / 3, mid: 1 / 3, high: 1 / 3 }
  const mid = { low: 0.006692538, mid: 0.9932621, high: 0.000045093 }
  const rows = [
    { risk: third, label: 0 },
    { label: 1, risk: mid, sure: 1 },
  ]

  async function faultsWith(changed: readonly unknown[], mark = ''): Promise<readonly string[]> {
    const file = mark + JSON.stringify({ features, inputs, outputs: changed })
    const golden = pathToFileURL(join(folderWith({ 'risk.golden.json': file }), 'risk.golden.json'))
    const model = cardModel('risk', { features, outputs, golden })
    const faults = await gateFaults(model)
    expect(faults.map((f) => f.code)).toEqual(faults.map(() => 'MODEL_GOLDEN'))
    return faults.map((f) => f.message)
  }

  it('pass when they have every score, in any order, and possibly others', async () => {
    expect(await faultsWith(rows)).toEqual([])
  })

  it('pass after the byte order mark of a Windows program', async () => {
    expect(await faultsWith(rows, '\ufeff')).toEqual([])
  })

  it.each<[string, readonly unknown[], RegExp]>([
    [
      'a column differs',
      rows.with(1, { label: 1, risk: { ...mid, high: 0.1 }, sure: 1 }),
      /1 of 8 outputs differ.*row 1 gives risk\.high = .*, golden is 0\.1/,
    ],
    [
      'a label differs',
      rows.with(0, { risk: third, label: 2 }),
      /row 0 gives label = 0, golden is 2/,
    ],
    [
      'a column is missing in a row',
      [rows[0], { risk: { low: 0, mid: 1 }, label: 1 }],
      /row 1 of the outputs has no "risk\.high"/,
    ],
    [
      'a score is missing',
      rows.map(({ risk }) => ({ risk })),
      /row 0 of the outputs has no "label"/,
    ],
    ['a row is a list', [rows[0], [1]], /row 1 of "outputs" is not an object, as row 0 is/],
    [
      'a score is text',
      rows.with(0, { risk: third, label: 'low' } as never),
      /row 0 of "outputs" is not a list of numbers/,
    ],
  ])('refuse the model when %s', async (_, changed, message) => {
    expect(await faultsWith(changed)).toEqual([expect.stringMatching(message)])
  })
})
