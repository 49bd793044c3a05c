import { describe, expect, test } from 'vitest'
import {
  livenessOfAll,
  readinessOfAll,
  type WorkerReadiness,
} from '../../src/serve/workers-health.ts'

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

  test('restore together: as many records as all of them, as long as the longest of them', () => {
    const restores = (worker: number, records: number, ms: number): WorkerReadiness => ({
      ...running(worker),
      ...{ ready: false, restoring: 1, restoringLeft: { records, ms } },
    })
    expect(readinessOfAll([restores(1, 50, 40), restores(2, 20, 90)])).toMatchObject({
      ready: false,
      restoring: 2,
      restoringLeft: { records: 70, ms: 90 },
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
