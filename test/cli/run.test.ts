import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fitHost } from '../../src/host/worker-name.ts'
import { deadAddress } from '../services/dead-address.ts'
import { httpOf, start, tidemark } from '../services/tidemark-in-test.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

const TOPOLOGY = 'topologies/card-fraud.ts'

test('without a broker run says what runs where, lives, is not ready, goes on trying, and ends with 0 when told', async () => {
  const brokers = await deadAddress()
  const where = ['--brokers', brokers, '--topic', 'payments=p', '--http-port', '0']
  const flags = ['--commit-interval', '100', '--log-format', 'text']
  const run = start(['run', TOPOLOGY, ...where, ...flags])
  await run.says('worker is unavailable')
  expect(run.stderr()).toContain(`ECONNREFUSED ${brokers}; next attempt in`)
  const http = await httpOf(run)
  const ready = await fetch(`${http}/readyz`)
  expect(ready.status).toBe(503)
  expect(await ready.json()).toMatchObject({ ready: false, state: 'unavailable' })
  expect((await fetch(`${http}/livez`)).status).toBe(200)
  const metrics = await (await fetch(`${http}/metrics`)).text()
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  expect(metrics).toContain(`tidemark_build_info{version="${version}",`)
  expect(metrics).toContain('tidemark_records_produced_total{topic="predictions"} 0\n')
  run.process.kill('SIGTERM')
  const { code, stderr } = await run.ended
  expect(code).toBe(0)
  expect(stderr).toMatch(/topology +card-fraud {2}p → 13 features → card-gbdt@2 → predictions/)
  expect(stderr).toMatch(/model +card-gbdt@2 {2}sha256 [0-9a-f]{12}…/)
  expect(stderr).toMatch(/group +card-fraud\n/)
  const [, name = ''] = /^ +worker +(\S+)-\d+$/m.exec(stderr) ?? []
  expect(name).toBe(fitHost(hostname()))
  expect(stderr).toMatch(/guarantee +exactly-once, a commit every 100 ms\n/)
  const starts = 'worker starts  group=card-fraud  guarantee=exactly-once'
  expect(stderr).toContain(`${starts}  workerName=${name}-`)
})

test('told to stop while it is still loading, run ends with 0 and joins nothing', async () => {
  const folder = folderWith({
    'package.json': '{"type":"module"}',
    'stops.ts': `export { default } from ${JSON.stringify(join(ROOT, TOPOLOGY))}
process.kill(process.pid, 'SIGTERM')`,
  })
  const { code, stderr } = await tidemark(['run', join(folder, 'stops.ts')])
  expect(code).toBe(0)
  expect(stderr).toBe('SIGTERM: finishing what is in flight; send it again to exit at once\n')
})

test('the banner says none where a worker is to run without a name', async () => {
  const where = ['--brokers', await deadAddress(), '--worker-name', 'none']
  const run = start(['run', TOPOLOGY, ...where, '--log-format', 'text'])
  await run.says('worker starts')
  run.process.kill('SIGTERM')
  const { stderr } = await run.ended
  expect(stderr).toMatch(/^ +worker +none$/m)
  expect(stderr).not.toContain('workerName=')
})
