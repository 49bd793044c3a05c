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
  /** Runs redis-cli on each server. */
  readonly cliOfEach: (...args: string[]) => Promise<unknown>
  /** Starts servers again, empty, after SIGKILL. */
  readonly restart: () => Promise<unknown>
  readonly stop: () => Promise<unknown>
}

/** One server. @param options of redis-server */
export async function launchRedis(...options: string[]): Promise<RedisService> {
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-redis-'))
  const [port = 0] = await freePorts(1)
  await run('start', dir, String(port), ...options)
  return serviceOf(dir, [port], options)
}

/** A cluster of three servers. @param options of redis-server; with `--tls-cluster` they speak TLS only */
export async function launchRedisCluster(...options: string[]): Promise<RedisService> {
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-redis-'))
  const [a = 0, b = 0, c = 0, ...buses] = await freePorts(6)
  const ports = [a, b, c]
  await run('cluster', dir, ...ports.map((port, i) => `${port}@${buses[i]}`), ...options)
  return serviceOf(dir, ports, options)
}

/** Runs redis.sh. @returns what it prints */
async function run(...args: string[]): Promise<string> {
  const script = join(import.meta.dirname, 'redis.sh')
  return (await promisify(execFile)(script, args)).stdout.trim()
}

function serviceOf(
  dir: string,
  ports: readonly number[],
  options: readonly string[],
): RedisService {
  const pids = () =>
    ports.map((port) => Number(readFileSync(join(dir, String(port), 'pid'), 'utf8')))
  const [isCluster, isTls] = [ports.length > 1, options.includes('--tls-cluster')]
  const fileOf = (name: string) => options[options.indexOf(name) + 1] as string
  const login = ['--cert', fileOf('--tls-cert-file'), '--key', fileOf('--tls-key-file')]
  const own = [...(isCluster ? ['-c'] : []), ...(isTls ? ['--tls', '--insecure', ...login] : [])]
  const cliOf = (port: number | undefined, args: readonly string[]) =>
    run('cli', ...own, '-p', String(port), ...args)
  return {
    urls: ports.map((port) => `${isTls ? 'rediss' : 'redis'}://127.0.0.1:${port}`),
    cli: (...args) => cliOf(ports[0], args),
    cliOfEach: (...args) => Promise.all(ports.map((port) => cliOf(port, args))),
    signal: (signal) => pids().forEach((pid) => process.kill(pid, signal)),
    restart: () => run('again', dir),
    stop: () => run('stop', dir),
  }
}
