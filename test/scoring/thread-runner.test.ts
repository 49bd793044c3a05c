import { describe, expect, it, vi } from 'vitest'
import { ThreadRunner } from '../../src/scoring/thread-runner.ts'

vi.mock('node:worker_threads', async (original) => {
  const { EventEmitter } = await import('node:events')
  /** Starts and fails on its first task. */
  class Worker extends EventEmitter {
    constructor() {
      super()
      queueMicrotask(() => this.emit('message', { signature: { inputs: [], outputs: [] } }))
    }
    postMessage(): void {
      queueMicrotask(() => {
        this.emit('error', new Error('out of memory'))
        this.emit('exit', 1)
      })
    }
  }
  return { ...(await original<typeof import('node:worker_threads')>()), Worker }
})

const reading = { input: 'features', outputs: {} }
const data = { bytes: new Uint8Array(0), reading }

describe('a scoring thread that ends unexpectedly', () => {
  it('fails the run in flight and later ones with MODEL_LOST, and closes', async () => {
    const runner = await ThreadRunner.start('m@1', data)
    await expect(runner.run(new Float32Array(2), 1)).rejects.toThrow(
      /thread of m@1 has ended: out of memory/,
    )
    await expect(runner.run(new Float32Array(2), 1)).rejects.toMatchObject({
      code: 'MODEL_LOST',
      message: expect.stringContaining('out of memory'),
    })
    await runner.close()
  })
})
