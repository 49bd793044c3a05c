import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePorts } from './ports.ts'

// A Redis of our own, one server or a cluster (redis.sh). Whoever starts it stops it.

export interface RedisService {
  /** One for each server. */
  readonly urls: readonly string[]
  /** Runs redis-cli on the first server; in a cluster it follows a key to its server. */
  readonly cli: (...args: string[]) => Promise<string>
  /** Sends a signal to all servers. */
  readonly signal: (signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL') => void
  /** Starts a server again, empty, after SIGKILL. */
  readonly restart: () => Promise<unknown>
  readonly stop: () => Promise<unknown>
}

/** One server. @param options of redis-server */
export async function launchRedis(...options: string[]): Promise<RedisService> {
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-redis-'))
  const [port = 0] = await freePorts(1)
  const start = () => run('start', dir, String(port), ...options)
  await start()
  return serviceOf(dir, [port], start)
}

/** A cluster of three servers. */
export async function launchRedisCluster(): Promise<RedisService> {
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-redis-'))
  const [a = 0, b = 0, c = 0, ...buses] = await freePorts(6)
  const ports = [a, b, c]
  await run('cluster', dir, ...ports.map((port, i) => `${port}@${buses[i]}`))
  return serviceOf(dir, ports, () => Promise.reject(new Error('a cluster')))
}

/** Runs redis.sh. @returns what it prints */
async function run(...args: string[]): Promise<string> {
  const script = join(import.meta.dirname, 'redis.sh')
  return (await promisify(execFile)(script, args)).stdout.trim()
}

function serviceOf(
  dir: string,
  ports: readonly number[],
  restart: () => Promise<unknown>,
): RedisService {
  const pids = () =>
    ports.map((port) => Number(readFileSync(join(dir, String(port), 'pid'), 'utf8')))
  const own = ports.length > 1 ? ['-c'] : []
  return {
    urls: ports.map((port) => `redis://127.0.0.1:${port}`),
    cli: (...args) => run('cli', ...own, '-p', String(ports[0]), ...args),
    signal: (signal) => pids().forEach((pid) => process.kill(pid, signal)),
    restart,
    stop: () => run('stop', dir),
  }
}
