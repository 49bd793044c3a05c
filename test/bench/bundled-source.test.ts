import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { folderWith } from '../support/folder.ts'
import { sourced } from './bundled-source.ts'

const CHUNK = `import { x } from 'y'
// src/engine/history.ts
function insert() {
  // src is no file here
}

// src/kernel/errors.ts
var a = 1
`

test('a frame in a bundle gets the URL of the source file of its line', () => {
  const folder = folderWith({ 'dist/chunks/A.js': CHUNK })
  const url = (file: string) => pathToFileURL(join(folder, file)).href
  const frame = (lineNumber: number, of = url('dist/chunks/A.js')) => ({
    id: lineNumber,
    callFrame: { functionName: 'f', url: of, lineNumber },
  })
  const own = url('topology.ts')
  const nodes = [frame(0), frame(2), frame(3), frame(6), frame(1, own), frame(-1, '')]
  const { nodes: mapped } = sourced({ nodes, samples: [], timeDeltas: [] })
  expect(mapped.map(({ callFrame }) => callFrame.url)).toEqual([
    url('dist/chunks/A.js'),
    url('src/engine/history.ts'),
    url('src/engine/history.ts'),
    url('src/kernel/errors.ts'),
    own,
    '',
  ])
})
