import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { tidemark } from '../../support/command-line.ts'
import { folderWith } from '../../support/folder.ts'
import { batch, INPUT, LINES, ORDERS, partsOf, placesOf } from './order-batches.ts'

test('too many dead letters publish nothing; with a higher limit, the work that is done is published', async () => {
  const folder = folderWith({ 'in.ndjson': INPUT })
  const args = ['--input', join(folder, 'in.ndjson')]
  const failed = await batch(ORDERS, folder, ...args, '--fail-above', '1%')
  expect([failed.code, failed.stderr]).toEqual([
    1,
    expect.stringContaining('% of the records are dead letters'),
  ])
  expect(existsSync(join(folder, 'out'))).toBe(false)
  const passed = await batch(ORDERS, folder, ...args, '--fail-above', '50', '--resume')
  expect(passed.code).toBe(0)
  const resumed = partsOf(join(folder, 'out'))
  await batch(ORDERS, folder, ...args, '--overwrite')
  expect(partsOf(join(folder, 'out'))).toEqual(resumed)
})

test('dead letters count whatever their code is, and many are told at the end', async () => {
  const valid = LINES.filter((line) => !line.includes('"amount":-'))
  const backwards = [...valid].reverse()
  const folder = folderWith({ 'in.ndjson': backwards.join('\n'), 'bad.ndjson': '{}\n{}\n' })
  const late = await batch(
    ORDERS,
    folder,
    ...['--input', join(folder, 'in.ndjson'), '--fail-above', '50'],
  )
  expect([late.code, late.stderr]).toEqual([1, expect.stringContaining('TOO_MANY_DEAD')])
  const all = await batch(ORDERS, folder, '--input', join(folder, 'bad.ndjson'))
  const told = '! 100.0 % of the records are dead letters, in orders.dlq'
  expect([all.code, all.stderr]).toEqual([0, expect.stringContaining(told)])
  writeFileSync(
    join(folder, 'good.ndjson'),
    [...Array<string>(99).fill(LINES[0] as string), '{}'].join('\n'),
  )
  const few = await batch(ORDERS, folder, '--input', join(folder, 'good.ndjson'), '--overwrite')
  expect(few.stderr).toContain('+ 1 dead')
  expect(few.stderr).not.toContain('of the records are dead letters')
})

test.each([[[]], [['--rows', '--with', 'id,country']]])(
  'an output whose folder would have too long a name is a dead letter %j',
  async (flags) => {
    const lines = Array.from({ length: 20 }, (_, i) => {
      const country = i % 10 === 0 ? 'é'.repeat(130) : 'DE'
      const order = { id: String(i), shop: `s-${i % 3}`, country, amount: 1 }
      return JSON.stringify({ ...order, at: Date.UTC(2026, 0, 1) + i })
    })
    const folder = folderWith({ 'in.ndjson': lines.join('\n') })
    const args = ['--input', join(folder, 'in.ndjson'), '--partition-by', 'country']
    expect((await batch(ORDERS, folder, ...args, ...flags)).code).toBe(0)
    const dead = Object.values(partsOf(join(folder, 'out/orders.dlq'))).flat()
    expect(placesOf(dead, 'row')).toEqual(['1 OUTPUT_INVALID', '11 OUTPUT_INVALID'])
    const manifest = readFileSync(join(folder, 'out/_manifest.json'), 'utf8')
    expect(JSON.parse(manifest)).toMatchObject({ outcomes: { records: 20, scored: 18, dead: 2 } })
  },
)

test('dev, which counts as a range of a topic does, tells many dead letters too', async () => {
  const { stderr } = await tidemark(['dev', ORDERS], { stdin: '{}\n{}\n' })
  expect(stderr).toContain('! 100.0 % of the records are dead letters')
})
