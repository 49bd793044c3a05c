import { afterAll, expect, inject, onTestFinished, test } from 'vitest'
import { launchRedis, type RedisService } from './start-redis.ts'

// A Redis of the tests' own, one server or a cluster.

/** A test with Redis; where it cannot be had it is skipped. */
export function redisTest(name: string, fn: () => Promise<void>): void {
  test(`${name} (Redis)`, async ({ skip }) => {
    expect.hasAssertions()
    const { redis: why } = inject('untested')
    if (why !== '') skip(why)
    await fn()
  })
}

/** One server, until the test has finished. @param options of redis-server */
export async function startRedis(...options: string[]): Promise<RedisService> {
  return untilFinished(await launchRedis(...options))
}

/** One that the tests of a file, or of its `describe`, share. */
export function sharedRedis(launch: () => Promise<RedisService>): () => Promise<RedisService> {
  let launched: Promise<RedisService> | null = null
  afterAll(async () => {
    await (await launched)?.stop()
  })
  return () => (launched ??= launch())
}

function untilFinished(service: RedisService): RedisService {
  onTestFinished(async () => {
    await service.stop()
  })
  return service
}
