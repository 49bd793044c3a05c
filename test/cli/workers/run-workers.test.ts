import { join } from 'node:path'
import { expect, test } from 'vitest'
import { deadAddress } from '../../services/dead-address.ts'
import { httpOf, PROCESS_TEST_MS, start, tidemark } from '../../services/tidemark-in-test.ts'
import { folderWith } from '../../support/folder.ts'
import { ROOT } from '../../support/paths.ts'

// Several workers under one parent. None of them finds a broker, which changes nothing of what is
// tested here.

const TOPOLOGY = join(ROOT, 'topologies/card-fraud.ts')

test('two workers have one banner, one log, one /readyz and one /metrics, and stop together', {
  timeout: PROCESS_TEST_MS,
}, async () => {
  const brokers = ['--brokers', await deadAddress()]
  const flags = ['--workers', '2', '--worker-name', 'scorer', '--http-port', '0']
  const run = start(['run', TOPOLOGY, ...flags, ...brokers])
  for (const worker of [1, 2]) await run.says(`"worker":${worker},"state":"unavailable"`)
  const http = await httpOf(run)
  const ready = await fetch(`${http}/readyz`)
  expect(ready.status).toBe(503)
  expect(await ready.json()).toMatchObject({
    ready: false,
    partitions: 0,
    workers: [
      { worker: 1, ready: false, state: 'unavailable' },
      { worker: 2, ready: false, state: 'unavailable' },
    ],
  })
  const live = await fetch(`${http}/livez`)
  expect(await live.json()).toEqual({ live: true, silent: [] })
  const metrics = await (await fetch(`${http}/metrics`)).text()
  for (const worker of ['1', '2']) {
    expect(metrics).toContain(
      `tidemark_records_produced_total{worker="${worker}",topic="predictions"} 0\n`,
    )
    expect(metrics).toContain(`tidemark_worker_restarts_total{worker="${worker}"} 0\n`)
  }
  run.process.kill('SIGTERM')
  const { code, stderr } = await run.ended
  expect(code).toBe(0)
  expect(stderr.match(/^tidemark /gm)).toHaveLength(1)
  expect(stderr).toMatch(/workers +2: scorer-1 to scorer-2\n/)
  expect(stderr).toMatch(/"worker":1,.*"workerName":"scorer-1","msg":"worker starts"/)
  expect(stderr).toMatch(/"worker":2,.*"workerName":"scorer-2","msg":"worker starts"/)
  expect(stderr.match(/SIGTERM/g)).toHaveLength(1)
})

test('what is wrong with a topology is told once, by the code that one worker ends with', {
  timeout: PROCESS_TEST_MS,
}, async () => {
  const broken = join(folderWith({ 'topology.ts': 'export const x = ;' }), 'topology.ts')
  const flags = ['--workers', '2', '--model', 'card-gbdt=nowhere.onnx', '--http-port', '0']
  const { code, stderr } = await tidemark(['run', broken, TOPOLOGY, ...flags])
  expect(code).toBe(3)
  expect(stderr.match(/✗ TOPOLOGY_LOAD/g)).toHaveLength(1)
  expect(stderr.match(/✗ MODEL_FILE/g)).toHaveLength(1)
  expect(stderr).not.toContain('tidemark ')
})
