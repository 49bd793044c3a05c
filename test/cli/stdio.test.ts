import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { deadAddress } from '../services/dead-address.ts'
import { start } from '../services/tidemark-in-test.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

test('data that cannot be written to stdout is an error, told in one line', () => {
  const full = openSync('/dev/full', 'w')
  const args = ['dev', 'topologies/card-fraud.ts', '--input', 'topologies/samples/payments.tsv']
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'src/cli/bin.js'), ...args], {
    stdio: ['ignore', full, 'pipe'],
    encoding: 'utf8',
  })
  closeSync(full)
  expect(status).toBe(1)
  expect(stderr.match(/^✗ .*/gm)).toEqual(['✗ ENOSPC  ENOSPC: no space left on device, write'])
})

test('a warning of Node comes as a line of the log, not as it is', async () => {
  const folder = folderWith({
    'package.json': '{"type":"module"}',
    'warns.ts': `export { default } from ${JSON.stringify(join(ROOT, 'topologies/card-fraud.ts'))}
process.emitWarning('before the log', 'EarlyWarning')
setInterval(() => process.emitWarning('again and again', 'LateWarning'), 20).unref()`,
  })
  const run = start(['run', join(folder, 'warns.ts'), '--brokers', await deadAddress()])
  await run.says('"warning":"LateWarning"')
  run.process.kill('SIGTERM')
  const { stderr } = await run.ended
  expect(stderr).toContain('! EarlyWarning: before the log\n')
  expect(stderr).toMatch(/^\{"level":"warn",.*"warning":"LateWarning","msg":"again and again"\}$/m)
  expect(stderr).not.toContain('(node:')
})
