import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Labels } from '../../../src/cli/batch/labels.ts'
import { folderWith } from '../../support/folder.ts'
import { runs } from '../../support/runs.ts'

const FLAGS = { labelBy: 'id=orderId', label: 'isFraud', labelAt: 'knownAt', within: 100 }

async function open(content: string | Buffer, name = 'labels.ndjson'): Promise<Labels> {
  const folder = folderWith({ [name]: content })
  return (await Labels.open({ ...FLAGS, labels: join(folder, name) }, folder)) as Labels
}

interface Given {
  readonly id: string | number
  readonly isFraud: number | null
  readonly knownAt: number
}

/** The same, from what the words say. */
function naive(labels: readonly Given[], id: string | number, eventMs: number) {
  const known = labels
    .filter((label) => String(label.id) === String(id) && label.isFraud !== null)
    .filter(({ knownAt }) => eventMs <= knownAt && knownAt <= eventMs + FLAGS.within)
    .sort((a, b) => a.knownAt - b.knownAt)
  if (known[0] !== undefined) return { label: known[0].isFraud, labelState: 'labelled' }
  const isOver = labels.some(({ knownAt }) => knownAt >= eventMs + FLAGS.within)
  return { label: null, labelState: isOver ? 'none' : 'immature' }
}

const id = fc.constantFrom('a', 'b', '7', 7)
const label = fc.record({
  id,
  isFraud: fc.option(fc.integer({ min: 0, max: 9 })),
  knownAt: fc.integer({ min: 0, max: 400 }),
})
const event = fc.tuple(id, fc.integer({ min: 0, max: 400 }))

test('a row has the first label that became known in time; without one, it is known whether one may come', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(label, { maxLength: 12 }),
      fc.array(event, { maxLength: 12 }),
      async (given, events) => {
        const labels = await open(given.map((line) => `${JSON.stringify(line)}\n`).join(''))
        const expected = events.map(([of, eventMs]) => naive(given, of, eventMs))
        expect(events.map(([of, eventMs]) => labels.of(of, eventMs))).toEqual(expected)
      },
    ),
    { numRuns: runs(500) },
  )
})

test.each(['labels.csv', 'LABELS.CSV', 'labels.csv.gz'])(
  'numbers of %s are numbers, and its ids are texts',
  async (name) => {
    const csv = 'id,isFraud,knownAt\n007,1,150\n7,,160\n8,no,1970-01-01T00:00:00.150Z\n'
    const labels = await open(name.endsWith('.gz') ? gzipSync(csv) : csv, name)
    expect(labels.of('007', 100)).toEqual({ label: 1, labelState: 'labelled' })
    expect(labels.of('7', 100)).toEqual({ label: null, labelState: 'immature' })
    expect(labels.of(7, 60)).toEqual({ label: null, labelState: 'none' })
    expect(labels.of('8', 100)).toEqual({ label: 'no', labelState: 'labelled' })
  },
)

test.each([
  '{"id":"a","isFraud":1}',
  '{"isFraud":1,"knownAt":1}',
  '{"id":"a","isFraud":1,"knownAt":"soon"}',
  'nonsense',
])('%s is no label', async (line) => {
  await expect(open(`\n${line}`)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: 'a label needs id, and knownAt as a time',
    where: expect.stringMatching(/labels\.ndjson:2$/),
  })
})
