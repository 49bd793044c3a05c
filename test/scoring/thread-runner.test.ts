import { EventEmitter } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import { ThreadRunner } from '../../src/scoring/thread-runner.ts'

/** Starts, and dies of its first task. */
class DyingWorker extends EventEmitter {
  constructor() {
    super()
    queueMicrotask(() => this.emit('message', 'ready'))
  }
  postMessage(): void {
    queueMicrotask(() => {
      this.emit('error', new Error('out of memory'))
      this.emit('exit', 1)
    })
  }
}
vi.mock('node:worker_threads', () => ({ Worker: DyingWorker }))

const data = { bytes: new Uint8Array(0), reading: { input: 'features', outputs: [] } }

describe('a scoring thread that ends by itself', () => {
  it('fails the run in flight, then refuses runs with INVARIANT, and closes', async () => {
    const runner = await ThreadRunner.start(data)
    await expect(runner.run(new Float32Array(2), 1)).rejects.toThrow(/thread ended: out of memory/)
    await expect(runner.run(new Float32Array(2), 1)).rejects.toMatchObject({
      code: 'INVARIANT',
      message: expect.stringContaining('out of memory'),
    })
    await runner.close()
  })
})
