import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Supervisor } from '../../../src/host/workers/supervisor.ts'
import { TidemarkError } from '../../../src/kernel/errors.ts'
import type { MetricData } from '../../../src/observe/metric-registry.ts'
import { STARTING } from '../../../src/observe/status.ts'
import { until } from '../../services/cluster.ts'
import { deadAddress } from '../../services/dead-address.ts'
import { httpOf, start, tidemark } from '../../services/tidemark-in-test.ts'
import { folderWith } from '../../support/folder.ts'
import { ROOT } from '../../support/paths.ts'
import { type FakeProcess, Fakes, IN_ORDER, KILLED } from './fake-process.ts'

// Several workers under one parent. None of them finds a broker, which changes nothing of what is
// tested here.

const CARD_FRAUD = join(ROOT, 'topologies/card-fraud.ts')
/** Has no model, which would take time to load. */
const CARD_MINUTES = join(ROOT, 'topologies/card-minutes.ts')

test('two workers have one banner, one log, one /readyz and one /metrics, and stop together', async () => {
  const brokers = ['--brokers', await deadAddress()]
  const flags = ['--workers', '2', '--worker-name', 'scorer', '--http-port', '0']
  const run = start(['run', CARD_MINUTES, ...flags, ...brokers])
  for (const worker of [1, 2]) await run.says(`"worker":${worker},"state":"unavailable"`)
  const http = await httpOf(run)
  const ready = () => fetch(`${http}/readyz`)
  // Of a worker that is slow to answer the parent tells what it heard last.
  await until('both are told', async () => !(await (await ready()).text()).includes('starting'))
  const answer = await ready()
  expect(answer.status).toBe(503)
  expect(await answer.json()).toMatchObject({
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
      `tidemark_records_produced_total{worker="${worker}",topic="card-minutes"} 0\n`,
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

test('what is wrong with a topology is told once, by the code that one worker ends with', async () => {
  const broken = join(folderWith({ 'topology.ts': 'export const x = ;' }), 'topology.ts')
  const flags = ['--workers', '2', '--model', 'card-gbdt=nowhere.onnx', '--http-port', '0']
  const { code, stderr } = await tidemark(['run', broken, CARD_FRAUD, ...flags])
  expect(code).toBe(3)
  expect(stderr.match(/✗ TOPOLOGY_LOAD/g)).toHaveLength(1)
  expect(stderr.match(/✗ MODEL_FILE/g)).toHaveLength(1)
  expect(stderr).not.toContain('tidemark ')
})

const RUNNING = { ready: true, state: 'running', partitions: 3, restoring: 0 } as const

/** So many workers. */
function supervised(count: number) {
  const fakes = new Fakes()
  const numbers = Array.from({ length: count }, (_, i) => i + 1)
  return {
    fakes,
    supervisor: new Supervisor(
      numbers.map((n) => fakes.keptWorker(n)),
      fakes.clock,
    ),
  }
}

/** All of them at work. */
async function running(count: number) {
  const { fakes, supervisor } = supervised(count)
  const announced: unknown[] = []
  const done = supervisor.run((outline) => announced.push(outline))
  for (let n = 1; n <= count; n++) (await fakes.started(n)).begin()
  return { fakes, supervisor, announced, done }
}

test('the first prepares alone, and the others start when it is through; it is announced once', async () => {
  const { fakes, supervisor } = supervised(3)
  const announced: unknown[] = []
  const done = supervisor.run((outline) => announced.push(outline))
  const first = await fakes.started(1)
  expect(fakes.processes).toHaveLength(1)
  first.begin()
  expect(fakes.processes.map(({ worker }) => worker)).toEqual([1, 2, 3])
  for (const process of fakes.processes.slice(1)) process.begin()
  expect(announced).toHaveLength(1)
  supervisor.stop()
  for (const process of fakes.processes) process.end(IN_ORDER)
  await done
})

test('they work once all are prepared, or 15 s after the first', async () => {
  for (const isLate of [false, true]) {
    const { fakes, supervisor } = supervised(2)
    const done = supervisor.run(() => {})
    const first = await fakes.started(1)
    first.begin()
    const second = await fakes.started(2)
    expect(first.told).toEqual([])
    if (isLate) fakes.clock.advance(15_000)
    else second.begin()
    expect([first.told, second.told]).toEqual([['run'], isLate ? [] : ['run']])
    supervisor.stop()
    for (const process of fakes.processes) process.end(IN_ORDER)
    await done
  }
})

test('what the first finds wrong is told, and no other starts', async () => {
  const { fakes, supervisor } = supervised(2)
  const fault = new TidemarkError('MODEL_SHA256', 'another file')
  const done = supervisor.run(() => {})
  ;(await fakes.started(1)).end({ ...KILLED, faults: [fault] })
  await expect(done).rejects.toBe(fault)
  expect(fakes.processes).toHaveLength(1)
})

test('all are told to stop, and it ends when the last of them has', async () => {
  const { fakes, supervisor, done } = await running(2)
  supervisor.stop()
  expect(fakes.processes.map(({ told }) => told)).toEqual([
    ['run', 'stop'],
    ['run', 'stop'],
  ])
  fakes.processes[1]?.end(IN_ORDER)
  expect(await Promise.race([done, nextTurn('not over')])).toBe('not over')
  fakes.processes[0]?.end(IN_ORDER)
  await done
})

test('told to stop before the first is prepared, no other starts', async () => {
  const { fakes, supervisor } = supervised(2)
  const done = supervisor.run(() => {})
  const first = await fakes.started(1)
  supervisor.stop()
  first.begin()
  first.end(IN_ORDER)
  await done
  expect(fakes.processes).toHaveLength(1)
})

test('where one cannot go on, the others finish what is in flight, and its reason is told', async () => {
  const { fakes, done } = await running(2)
  const [first, second] = fakes.processes as [FakeProcess, FakeProcess]
  const fault = new TidemarkError('TOPIC_MISSING', 'there is no topic "payments"')
  second.end({ ...KILLED, faults: [fault] })
  await fakes.toldToStop(first)
  first.end(IN_ORDER)
  await expect(done).rejects.toBe(fault)
})

test('where one dies, the others go on', async () => {
  const { fakes, supervisor, done } = await running(2)
  const [first, second] = fakes.processes as [FakeProcess, FakeProcess]
  second.end(KILLED)
  await fakes.clock.asleepFor(1_000)
  expect(first.told).toEqual(['run'])
  fakes.clock.advance(1_000)
  const third = await fakes.started(3)
  expect(third.worker).toBe(2)
  third.begin()
  expect(third.told).toEqual(['run'])
  supervisor.stop()
  for (const process of [first, third]) process.end(IN_ORDER)
  await done
})

test('it is ready when all are, and tells of each', async () => {
  const { fakes, supervisor, done } = await running(2)
  const [first, second] = fakes.processes as [FakeProcess, FakeProcess]
  first.answer = { readiness: RUNNING, metrics: [], status: STARTING }
  second.answer = {
    readiness: { ...RUNNING, ready: false, restoring: 1 },
    metrics: [],
    status: STARTING,
  }
  expect(await supervisor.readiness()).toMatchObject({ ready: false, partitions: 6 })
  second.answer = { readiness: RUNNING, metrics: [], status: STARTING }
  expect(await supervisor.readiness()).toEqual({
    ready: true,
    partitions: 6,
    restoring: 0,
    workers: [
      { worker: 1, ...RUNNING },
      { worker: 2, ...RUNNING },
    ],
  })
  supervisor.stop()
  for (const process of fakes.processes) process.end(IN_ORDER)
  await done
})

test('metrics come with the number of their worker', async () => {
  const { fakes, supervisor, done } = await running(2)
  const [, second] = fakes.processes as [FakeProcess, FakeProcess]
  const metrics = [{ name: 'm' }] as unknown as MetricData
  second.answer = { readiness: RUNNING, metrics, status: STARTING }
  expect(await supervisor.metrics()).toEqual([
    { worker: 1, metrics: [] },
    { worker: 2, metrics },
  ])
  supervisor.stop()
  for (const process of fakes.processes) process.end(IN_ORDER)
  await done
})

test('whoever is in a hurry ends all of them at once', async () => {
  const { fakes, supervisor, done } = await running(2)
  supervisor.stop()
  supervisor.kill()
  expect(fakes.processes.map(({ told }) => told.at(-1))).toEqual(['kill', 'kill'])
  await expect(done).rejects.toThrow('did not stop cleanly')
})
