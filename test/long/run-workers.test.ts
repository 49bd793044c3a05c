import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { until } from '../services/cluster.ts'
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

test('a worker that hangs is told by /livez, /readyz and /metrics, with its number, until it goes on', async () => {
  const run = await twoWorkers('--http-port', '0')
  const [, second] = workerPids(run) as [number, number]
  const http = await httpOf(run)
  const metrics = async () => (await fetch(`${http}/metrics`)).text()
  const own = 'tidemark_build_info{worker="2"'
  await until('it has told its metrics', async () => (await metrics()).includes(own))
  process.kill(second, 'SIGSTOP')
  onTestFinished(() => {
    if (isAlive(second)) process.kill(second, 'SIGCONT')
  })
  const ask = async (path: string) => {
    const answer = await fetch(`${http}${path}`)
    return { status: answer.status, body: await answer.json() }
  }
  const isLive = async () => (await ask('/livez')).status === 200
  await until('it is told', async () => !(await isLive()))
  const [live, ready] = await Promise.all([ask('/livez'), ask('/readyz')])
  expect(live).toEqual({ status: 503, body: { live: false, silent: [2] } })
  expect(ready).toMatchObject({
    status: 503,
    body: { workers: [{ state: 'unavailable' }, { worker: 2, state: 'silent' }] },
  })
  expect(await metrics()).toContain('tidemark_trouble{worker="2",kind="silent"} 1\n')
  expect(await metrics()).toContain(own)
  process.kill(second, 'SIGCONT')
  await until('it goes on', isLive)
  expect(await metrics()).toContain('tidemark_trouble{worker="2",kind="silent"} 0\n')
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
