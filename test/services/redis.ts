import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, inject, onTestFinished, test } from 'vitest'
import { freePorts } from './ports.ts'

// A Redis of the tests' own, one server or a cluster (redis.sh).

export interface RedisService {
  /** One for each server. */
  readonly urls: readonly string[]
  /** Runs redis-cli on the first server; in a cluster it follows a key to its server. */
  readonly cli: (...args: string[]) => Promise<string>
  /** Sends a signal to all servers. */
  readonly signal: (signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL') => void
  /** Starts a server again, empty, after SIGKILL. */
  readonly restart: () => Promise<void>
  readonly stop: () => void
}

const SCRIPT = join(import.meta.dirname, 'redis.sh')

/** A test with Redis; where it cannot be had it is skipped. */
export function redisTest(name: string, fn: () => Promise<void>, timeout = 60_000): void {
  test(`${name} (Redis)`, { timeout }, async ({ skip }) => {
    expect.hasAssertions()
    const { redis: why } = inject('untested')
    if (why !== '') skip(why)
    await fn()
  })
}

/** One server, until the test has finished. @param options of redis-server */
export async function startRedis(...options: string[]): Promise<RedisService> {
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-redis-'))
  const [port = 0] = await freePorts(1)
  const start = () => run('start', dir, String(port), ...options)
  start()
  return serviceOf(dir, [port], async () => start())
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

/** A cluster of three servers, until the test has finished. */
export async function startRedisCluster(): Promise<RedisService> {
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-redis-'))
  // Those of the cluster's own bus are 10,000 above.
  const ports = await freePorts(3)
  run('cluster', dir, ...ports.map(String))
  return serviceOf(dir, ports, () => Promise.reject(new Error('a cluster')))
}

function run(...args: string[]): void {
  execFileSync(SCRIPT, args, { stdio: ['ignore', 'ignore', 'inherit'] })
}

function serviceOf(
  dir: string,
  ports: readonly number[],
  restart: () => Promise<void>,
): RedisService {
  const stop = () => run('stop', dir)
  const pids = () =>
    ports.map((port) => Number(readFileSync(join(dir, String(port), 'pid'), 'utf8')))
  onTestFinished(stop)
  return {
    urls: ports.map((port) => `redis://127.0.0.1:${port}`),
    cli: async (...args) => {
      const own = ports.length > 1 ? ['-c'] : []
      const all = ['cli', ...own, '-p', String(ports[0]), ...args]
      return (await promisify(execFile)(SCRIPT, all)).stdout.trim()
    },
    signal: (signal) => pids().forEach((pid) => process.kill(pid, signal)),
    restart,
    stop,
  }
}
