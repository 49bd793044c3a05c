import { describe, expect, test } from 'vitest'
import {
  livenessOfAll,
  readinessOf,
  readinessOfAll,
  type WorkerReadiness,
} from '../../src/serve/health.ts'
import { samples } from '../observe/events.ts'
import { observedAfter } from '../observe/observed.ts'

const running = (worker: number): WorkerReadiness => ({
  ...{ worker, ready: true, state: 'running', partitions: 3, restoring: 0 },
})
const restarting: WorkerReadiness = {
  ...{ worker: 2, ready: false, state: 'restarting', partitions: 0, restoring: 0 },
}

describe('several workers', () => {
  test('are ready when each of them is, with the partitions of all', () => {
    expect(readinessOfAll([running(1), running(2)])).toEqual({
      ready: true,
      partitions: 6,
      restoring: 0,
      workers: [running(1), running(2)],
    })
  })

  test('are not ready while one is not, and that one is told', () => {
    const all = readinessOfAll([running(1), restarting])
    expect(all).toMatchObject({ ready: false, partitions: 3 })
    expect(all.workers[1]).toEqual(restarting)
  })

  test('restore together as many records as all of them', () => {
    const restores = (
      worker: number,
      restoring: number,
      left: { records: number },
    ): WorkerReadiness => ({
      ...running(worker),
      ...{ ready: false, restoring, restoringLeft: left },
    })
    const all = [restores(1, 1, { records: 50 }), restores(2, 3, { records: 20 })]
    expect(readinessOfAll(all)).toMatchObject({
      ready: false,
      restoring: 4,
      restoringLeft: { records: 70 },
    })
  })

  test('live while each answers; one that has ended is its parent’s to start again', () => {
    expect(livenessOfAll([running(1), restarting])).toEqual({ live: true, silent: [] })
  })

  test('do not live where one hangs, and that one is told', () => {
    expect(livenessOfAll([running(1), { ...restarting, state: 'silent' }])).toEqual({
      live: false,
      silent: [2],
    })
  })
})

test('a worker that reads a table is not ready, and says how far it is', () => {
  const worker = observedAfter(samples['table-loading'])
  const tables = [{ table: 'merchants', records: 40_000, of: 100_000 }]
  expect(readinessOf(worker)).toMatchObject({ ready: false, state: 'starting', tables })
  worker.observer(samples['table-loaded'])
  expect(readinessOf(worker)).not.toHaveProperty('tables')
})
