import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { NO_DOCKER } from '../closing-report.ts'
import { CardFraud, payments } from '../integration/card-fraud.ts'
import { expectAllOnce } from '../integration/two-workers.ts'
import { until } from '../services/cluster.ts'
import { type Docker, startDocker, tidemarkImage } from '../services/docker.ts'
import { freePorts } from '../services/ports.ts'
import { Prometheus } from '../services/prometheus.ts'
import { tidemark } from '../support/command-line.ts'
import { folderWith } from '../support/folder.ts'
import { ROOT } from '../support/paths.ts'

// Images: that of a checkout, that of a folder that `tidemark init` makes, and those of
// docker-compose.kafka.yml, without Grafana's, which is not to be had from Debian.

const MOST_MB = 110
/** Packages are fetched, and Docker the first time. */
const BUILD_MS = 400_000
const UP_MS = 120_000
const EVENTS = 30_000
const HARDENED = ['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges']
const DEV = ['run', '--rm', '-i', '--network', 'none', ...HARDENED]

let started: Docker | null = null
let made = { image: '', base: '' }
let why = ''

beforeAll(async () => {
  try {
    started = startDocker()
  } catch (error) {
    why = `${NO_DOCKER} (${(error as Error).message})`
    return
  }
  made = await tidemarkImage(started)
}, BUILD_MS)

afterAll(() => started?.stop(), UP_MS)

/** A test on Docker; where it does not start it is skipped, which fails no run. */
function dockerTest(name: string, fn: (docker: Docker) => Promise<void>): void {
  test(`${name} (Docker)`, { timeout: BUILD_MS }, async ({ skip }) => {
    expect.hasAssertions()
    await fn(started ?? skip(why))
  })
}

dockerTest(`the image is at most ${MOST_MB} MB larger than its base`, async (docker) => {
  const size = async (name: string) =>
    Number(await docker.ask('image', 'inspect', '-f', '{{.Size}}', name))
  expect(((await size(made.image)) - (await size(made.base))) / 1e6).toBeLessThanOrEqual(MOST_MB)
})

dockerTest(
  'dev scores the sample with no right, no network and nothing to write to',
  async (docker) => {
    const sample = readFileSync(join(ROOT, 'topologies/samples/payments.tsv'))
    const { stdout, stderr } = await docker.run(
      [...DEV, made.image, 'dev', 'topologies/card-fraud.ts'],
      sample,
    )
    expect(stdout.toString().trim().split('\n')).toHaveLength(498)
    expect(stderr.toString()).toContain('500 in = 498 scored + 0 skipped + 2 late + 0 dead')
  },
)

dockerTest(
  'a worker is the first process, not root, says its limit and that probes do not reach it, and ends with 0',
  async (docker) => {
    const limits = ['-m', '512m', '-e', 'TIDEMARK_HTTP_HOST=127.0.0.1', '--network', 'none']
    const work = ['run', 'topologies/card-fraud.ts', '--brokers', '127.0.0.1:1']
    const id = await docker.ask('run', '-d', ...limits, ...HARDENED, made.image, ...work)
    onTestFinished(async () => {
      await docker.ask('rm', '-f', id)
    })
    const said = async () => (await docker.run(['logs', id])).stderr.toString()
    await until('it tries', async () => (await said()).includes('worker is unavailable'))
    expect(await said()).toMatch(
      /memory +537 MB, the container's limit; at most: heap 2\d\d MB, windows 1\d\d MB, in flight 67 MB$/m,
    )
    expect(await said()).toContain(
      'in a container, probes do not reach 127.0.0.1: set --http-host 0.0.0.0',
    )
    const first = await docker.ask('exec', id, 'cat', '/proc/1/cmdline', '/proc/1/status')
    expect(first).toMatch(/^node\0src\/cli\/bin.js\0run\0[^]*^Uid:\t10001\t10001\t/m)
    await docker.ask('stop', '-t', '35', id)
    expect(await exitCode(docker, id)).toBe(0)
  },
)

async function exitCode(docker: Docker, id: string): Promise<number> {
  return Number(await docker.ask('inspect', '-f', '{{.State.ExitCode}}', id))
}

dockerTest(
  'all services come up and are read by Prometheus; a worker is killed under load, the other goes on, and nothing is lost or there twice',
  async (docker) => {
    const [kafka, registry, redis, prometheus] = await freePorts(4)
    const services = (await docker.script(['services', made.base])).split('\n')
    const env = {
      ...Object.fromEntries(services.map((line) => line.split('='))),
      TIDEMARK_IMAGE: made.image,
      KAFKA_PORT: String(kafka),
      REGISTRY_PORT: String(registry),
      REDIS_PORT: String(redis),
      PROMETHEUS_PORT: String(prometheus),
    }
    const named = ['-p', `tidemark-test-${process.pid}`, '--profile', 'all']
    const file = ['-f', join(ROOT, 'docker-compose.kafka.yml')]
    const compose = (...args: string[]) =>
      docker.script(['compose', ...file, ...named, ...args], env)
    onTestFinished(async () => {
      await compose('down', '-v', '-t', '0')
    })
    const all = ['kafka', 'registry', 'redis', 'prometheus', 'worker-1', 'worker-2']
    await compose('up', '-d', '--no-build', ...all)
    const idOf = (service: string) => compose('ps', '-q', service)
    const ids = await Promise.all(all.map(idOf))
    const isHealthy = async () => {
      const states = await docker.ask('inspect', '-f', '{{.State.Health.Status}}', ...ids)
      return states.split('\n').every((state) => state === 'healthy')
    }
    await until('healthy', isHealthy)
    const monitor = new Prometheus(`http://127.0.0.1:${prometheus}`)
    await until('read', async () => (await monitor.values('up == 1')).length === 2)
    expect([...(await monitor.healthOfRules()).keys()]).toContain('TidemarkDown')

    const cards = CardFraud.among({ brokers: [`127.0.0.1:${kafka}`], secure: null })
    const sending = cards.send(payments(EVENTS, 1))
    const sum = async () => [...(await cards.committed()).values()].reduce((a, b) => a + b, 0)
    await until('at work', async () => (await sum()) > 0)
    const [killed = '', other = ''] = ids.slice(4)
    await docker.ask('kill', killed)
    await sending
    await cards.send(payments(EVENTS, 2))
    await cards.allCommitted()
    await expectAllOnce(cards)
    // As docs/deploy.md has it.
    const sample = ['topologies/samples/payments.tsv', '--topic', 'payments', '--as-is']
    await compose('exec', '-T', 'worker-2', 'node', 'src/cli/bin.js', 'produce', ...sample)
    await docker.ask('stop', '-t', '35', other)
    expect([await exitCode(docker, killed), await exitCode(docker, other)]).toEqual([137, 0])
    await cards.close()
  },
)

dockerTest('the folder that init makes becomes an image that scores', async (docker) => {
  // The package, of what the image has of it.
  const pack = 'npm pack --silent --ignore-scripts --pack-destination /tmp >&2 && cat /tmp/*.tgz'
  const packed = ['run', '--rm', '--network', 'none', '--entrypoint', 'sh', made.image, '-c', pack]
  const mine = join(folderWith({}), 'mine')
  await tidemark(['init', mine])
  writeFileSync(join(mine, 'tidemark.tgz'), (await docker.run(packed)).stdout)
  const lock = ['install', './tidemark.tgz', '--package-lock-only', '--prefer-offline']
  await promisify(execFile)('npm', [...lock, '--no-audit', '--no-fund'], { cwd: mine })
  await docker.script(['build', made.base, '-t', 'tidemark-test/mine', mine])
  const sample = readFileSync(join(mine, 'sample.ndjson'))
  const { stderr } = await docker.run([...DEV, 'tidemark-test/mine', 'dev', 'topology.ts'], sample)
  expect(stderr.toString()).toContain('500 in = 498 scored + 0 skipped + 2 late + 0 dead')
})
