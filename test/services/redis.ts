import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, inject, onTestFinished, test } from 'vitest'
import { freePorts } from './ports.ts'
import { launchRedis, launchRedisCluster, type RedisService } from './start-redis.ts'

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

/** A cluster of three servers, until the test has finished. */
export async function startRedisCluster(): Promise<RedisService> {
  return untilFinished(await launchRedisCluster())
}

/** One that speaks only TLS, with a certificate of its own, until the test has finished. */
export async function startRedisTls(): Promise<{ readonly url: string; readonly ca: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-redis-tls-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const [key, cert] = ['key', 'cert'].map((name) => join(folder, name)) as [string, string]
  const made = ['-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
  const named = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync('openssl', ['req', '-x509', ...made, ...named, '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  })
  const [port = 0] = await freePorts(1)
  const own = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-auth-clients', 'no']
  await startRedis('--tls-port', String(port), ...own)
  const url = `rediss://127.0.0.1:${port}`
  return { url, ca: readFileSync(cert, 'utf8') }
}

function untilFinished(service: RedisService): RedisService {
  onTestFinished(async () => {
    await service.stop()
  })
  return service
}
