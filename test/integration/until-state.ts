import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'

interface Readiness {
  readonly state: string
  readonly restoring: number
  readonly reason?: string
}

/**
 * Asks a worker until it is in a state; it must live, and be ready only when it runs.
 * @returns what it says then
 */
export async function untilState(http: string, wanted: string): Promise<Readiness> {
  for (;;) {
    const [live, ready] = await Promise.all([fetch(`${http}/livez`), fetch(`${http}/readyz`)])
    const readiness = (await ready.json()) as Readiness
    const isReady = readiness.state === 'running' && readiness.restoring === 0
    expect(live.status).toBe(200)
    expect(ready.status).toBe(isReady ? 200 : 503)
    if (readiness.state === wanted) return readiness
    await sleep(50)
  }
}
