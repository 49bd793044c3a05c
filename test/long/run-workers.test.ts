import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { deadAddress } from '../services/dead-address.ts'
import type { Running } from '../services/tidemark.ts'
import { httpOf, start, tidemark } from '../services/tidemark-in-test.ts'
import { isAlive, workerPids } from '../services/worker-pids.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

// Several workers under one parent. None of them finds a broker, which changes nothing of what is
// tested here.

const TOPOLOGY = join(ROOT, 'topologies/card-fraud.ts')

/** Two workers, both at work as far as they get. */
async function twoWorkers(...flags: readonly string[]): Promise<Running> {
  const brokers = ['--brokers', await deadAddress()]
  const run = start(['run', TOPOLOGY, '--workers', '2', ...brokers, ...flags])
  await run.says('"worker":1,"state":"unavailable"')
  await run.says('"worker":2,"state":"unavailable"')
  return run
}

/** A topology that does something when a worker loads it. */
function topologyThat(does: string): string {
  const again = `export { default } from ${JSON.stringify(TOPOLOGY)}\n`
  const folder = folderWith({
    'package.json': '{"type":"module"}',
    'topology.ts': `${again}${does}`,
  })
  return join(folder, 'topology.ts')
}

test('a worker that is killed is started again, and told of; the other goes on', async () => {
  const run = await twoWorkers('--http-port', '0')
  const [first, second] = workerPids(run) as [number, number]
  process.kill(second, 'SIGKILL')
  await run.says('"worker":2,"reason":"its process ended by SIGKILL"')
  await run.says('"worker":2,"state":"unavailable"', 2)
  const metrics = await (await fetch(`${await httpOf(run)}/metrics`)).text()
  expect(metrics).toContain('tidemark_worker_restarts_total{worker="1"} 0\n')
  expect(metrics).toContain('tidemark_worker_restarts_total{worker="2"} 1\n')
  expect(isAlive(first)).toBe(true)
  run.process.kill('SIGTERM')
  expect((await run.ended).code).toBe(0)
})

test('a worker that hangs is told by /livez and /readyz, with its number', async () => {
  const run = await twoWorkers('--http-port', '0')
  const [, second] = workerPids(run) as [number, number]
  process.kill(second, 'SIGSTOP')
  onTestFinished(() => {
    if (isAlive(second)) process.kill(second, 'SIGCONT')
  })
  const http = await httpOf(run)
  const ask = async (path: string) => {
    const answer = await fetch(`${http}${path}`)
    return { status: answer.status, body: await answer.json() }
  }
  const [live, ready] = await Promise.all([ask('/livez'), ask('/readyz')])
  expect(live).toEqual({ status: 503, body: { live: false, silent: [2] } })
  expect(ready).toMatchObject({
    status: 503,
    body: { workers: [{ state: 'unavailable' }, { worker: 2, state: 'silent' }] },
  })
  process.kill(second, 'SIGCONT')
  expect(await ask('/livez')).toMatchObject({ status: 200 })
  run.process.kill('SIGTERM')
  expect((await run.ended).code).toBe(0)
})

test('without their parent workers end by themselves', async () => {
  const run = await twoWorkers()
  run.process.kill('SIGKILL')
  // Not before nobody has its stderr open any more.
  const { stderr } = await run.ended
  expect(stderr.match(/worker is stopped/g)).toHaveLength(2)
})

test('a signal that a service manager or a terminal sends to all processes stops them as one', async () => {
  const run = await twoWorkers()
  for (const pid of [...workerPids(run), run.process.pid as number]) process.kill(pid, 'SIGINT')
  const { code, stderr } = await run.ended
  expect(code).toBe(0)
  expect(stderr.match(/worker is stopped/g)).toHaveLength(2)
})

test('told to stop while the first is loading, it ends with 0 and joins nothing', async () => {
  const stops = topologyThat(`process.kill(process.ppid, 'SIGTERM')`)
  const { code, stderr } = await tidemark(['run', stops, '--workers', '2'])
  expect(code).toBe(0)
  expect(stderr).not.toContain('worker starts')
})

test('whoever asks twice gets 130 at once, and no worker is left', async () => {
  const hangs = topologyThat(`console.error('hangs')
setInterval(() => {}, 1_000)
await new Promise(() => {})`)
  const run = start(['run', hangs, '--workers', '2'])
  await run.says('hangs')
  run.process.kill('SIGTERM')
  await run.says('send it again to exit at once')
  run.process.kill('SIGTERM')
  // Not before nobody has its stderr open any more.
  expect((await run.ended).code).toBe(130)
})
