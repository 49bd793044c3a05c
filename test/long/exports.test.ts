import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { type ExportRows, exportNames, exportRows, isNear, toleranceOf } from '../exports/rows.ts'
import { tidemark } from '../support/command-line.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

// Exports through the command line, as a stranger uses them. With TIDEMARK_TEST_EXPORTS=F the rows
// are those of the folder F, which test/exports/make.py writes.

const EXPORTS = process.env['TIDEMARK_TEST_EXPORTS'] ?? join(ROOT, 'test/exports')
const FOLDER = pathToFileURL(join(EXPORTS, '/'))

/** Every feature is a column of the event, and what the model returns goes out whole. */
function topologyOf({ features, scoreOutput }: ExportRows): string {
  const columns = features.map((name) => `${name}: z.number().nullable()`)
  const picks = features.map((name) => `${name}: { of: (e) => e.${name}, missing: 'skip' }`)
  const values = features.map((name) => `${name}: events.value('${name}')`)
  return `
    import { defineTopology, seconds } from 'tidemark'
    import { z } from 'zod'
    import { exported } from './exported.model.ts'

    const Row = z.object({ row: z.int(), at: z.int(), ${columns.join(', ')} })

    export default defineTopology('exported', (t) =>
      t
        .source('rows', {
          schema: Row,
          key: (e) => String(e.row),
          eventTimeMs: (e) => e.at,
          watermark: { lag: seconds(30) },
          onLate: 'drop',
        })
        .features((f) => {
          const events = f.events({ ${picks.join(', ')} })
          return { ${values.join(', ')} }
        })
        .score(exported, { missing: 'nan' })
        .map((s) => ({ row: s.event.row, score: s.score[${JSON.stringify(scoreOutput)}] }))
        .sink('scores'),
    )`
}

function eventsOf({ features, rows }: ExportRows): string {
  const lines = rows.map((numbers, row) => {
    const columns = Object.fromEntries(features.map((name, i) => [name, numbers[i]]))
    return JSON.stringify({ row, at: 1_700_000_000_000 + row, ...columns })
  })
  return lines.join('\n')
}

async function succeeds(...args: string[]) {
  const { code, stdout, stderr } = await tidemark(args)
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

test.each(exportNames(FOLDER))(
  'inspect, types, check and dev take %s as exported, and dev returns what its library does',
  async (name) => {
    const given = exportRows(name, FOLDER)
    const folder = folderWith({ 'topology.ts': topologyOf(given), 'rows.ndjson': eventsOf(given) })
    for (const file of [`${name}.onnx`, 'mlp-external.data'])
      cpSync(join(EXPORTS, file), join(folder, file))
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(ROOT, join(folder, 'node_modules/tidemark'))
    symlinkSync(join(ROOT, 'node_modules/zod'), join(folder, 'node_modules/zod'))
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    const [model, topology] = [join(folder, `${name}.onnx`), join(folder, 'topology.ts')]
    await succeeds('model', 'inspect', model)
    const out = join(folder, 'exported.model.ts')
    const names = ['--name', 'exported', '--features', given.features.join(',')]
    await succeeds('model', 'types', model, ...names, '--out', out)
    await succeeds('check', topology)
    const stdout = await succeeds('dev', topology, '--input', join(folder, 'rows.ndjson'))

    const scores = stdout.trimEnd().split('\n').map(scoreIn)
    expect(scores).toHaveLength(given.rows.length)
    const off = scores.filter(({ row, score }) => {
      const expected = given.expected[row] as readonly number[]
      return !expected.every((x, i) => isNear(score[i] as number, x, toleranceOf(name)))
    })
    expect(off).toHaveLength(given.differs)
  },
)

function scoreIn(line: string) {
  const { row, score } = JSON.parse(line) as {
    readonly row: number
    readonly score: number | Readonly<Record<string, number>>
  }
  return { row, score: typeof score === 'number' ? [score] : Object.values(score) }
}
