import { afterAll, describe, expect, onTestFinished } from 'vitest'
import { Redis } from '../../src/connect/redis/redis-client.ts'
import { Certificates } from '../services/certificates.ts'
import { until } from '../services/cluster.ts'
import { freePorts } from '../services/ports.ts'
import { redisTest, sharedRedis } from '../services/redis.ts'
import { launchRedis, launchRedisCluster, type RedisService } from '../services/start-redis.ts'
import { thrownBy } from '../support/thrown.ts'

// Faults of a real Redis, one server and a cluster of three, with TLS.

const certificates = new Certificates()
afterAll(() => certificates.remove())
const good = certificates.make('IP:127.0.0.1,DNS:localhost')
const expired = certificates.make('IP:127.0.0.1,DNS:localhost', -1)
const renamed = certificates.make('DNS:localhost')
const foreign = certificates.make('IP:127.0.0.1,DNS:localhost')
const known = certificates.bundle(good, expired, renamed)
const TLS = [
  ...['--tls-cert-file', good.certFile, '--tls-key-file', good.keyFile],
  ...['--tls-ca-cert-file', known.file, '--tls-auth-clients', 'no'],
]

interface Fault {
  readonly cause: RegExp
  /** `null`: a worker starts. */
  readonly hint: string | null
  readonly begin: (redis: RedisService) => unknown
  readonly end: (redis: RedisService) => unknown
}

/** Settings of the servers, for connections that are made from then on. */
function setting(now: readonly string[], again: readonly string[], login: readonly string[] = []) {
  return {
    begin: async (redis: RedisService) => {
      await redis.cliOfEach('CONFIG', 'SET', ...now)
      await redis.cliOfEach(...login, 'CLIENT', 'KILL', 'TYPE', 'normal')
    },
    end: (redis: RedisService) => redis.cliOfEach(...login, 'CONFIG', 'SET', ...again),
  }
}

const shown = ({ certFile, keyFile }: typeof good) => [
  ...['tls-cert-file', certFile, 'tls-key-file', keyFile],
]

const FAULTS: readonly (readonly [name: string, fault: Fault])[] = [
  [
    'a certificate of another authority',
    {
      ...{ cause: /its certificate is not trusted/, hint: 'give its CA with --redis-ca' },
      ...setting(shown(foreign), shown(good)),
    },
  ],
  [
    'a certificate that has expired',
    {
      ...{ cause: /its certificate has expired/, hint: 'renew it, or that of its authority' },
      ...setting(shown(expired), shown(good)),
    },
  ],
  [
    'a certificate for another name',
    {
      cause: /another name \(IP: 127.0.0.1 is not in the cert's list\)/,
      hint: 'use a name that is in it',
      ...setting(shown(renamed), shown(good)),
    },
  ],
  [
    'no certificate of the client',
    {
      ...{ cause: /it wants a client certificate/, hint: 'give one: --redis-cert, --redis-key' },
      ...setting(['tls-auth-clients', 'yes'], ['tls-auth-clients', 'no']),
    },
  ],
  [
    'another password',
    {
      ...{ cause: /NOAUTH/, hint: expect.stringContaining('TIDEMARK_REDIS_PASSWORD') },
      ...setting(['requirepass', 'x'], ['requirepass', ''], ['-a', 'x']),
    },
  ],
  [
    'no server',
    {
      ...{ cause: /ECONNREFUSED/, hint: null },
      begin: (redis) => redis.signal('SIGKILL'),
      end: (redis) => redis.restart(),
    },
  ],
  [
    'no answer',
    {
      ...{ cause: /no answer/, hint: null },
      begin: (redis) => redis.signal('SIGSTOP'),
      end: (redis) => redis.signal('SIGCONT'),
    },
  ],
]

async function launchServer(): Promise<RedisService> {
  const [port = 0] = await freePorts(1)
  const redis = await launchRedis('--tls-port', String(port), ...TLS)
  return { ...redis, urls: [`rediss://127.0.0.1:${port}`] }
}

async function launchCluster(): Promise<RedisService> {
  const redis = await launchRedisCluster('--tls-cluster', 'yes', ...TLS)
  return { ...redis, urls: redis.urls.map((url) => url.replace('127.0.0.1', 'localhost')) }
}

function clientOf({ urls }: RedisService, login: { cert?: string; key?: string } = {}) {
  const client = new Redis({ urls, password: null, ca: known.text, ...login })
  onTestFinished(() => client.close())
  return client
}

async function isRight(client: Redis): Promise<boolean> {
  const answers = await client.get(['a', 'b', 'c', 'd']).catch(() => [new Error('none')])
  return answers.every((answer) => !(answer instanceof Error))
}

describe.each([
  ['one server', launchServer],
  ['a cluster', launchCluster],
])('%s', (_, launch) => {
  const shared = sharedRedis(launch)

  describe.each(FAULTS)('with %s', (__, { cause, hint, begin, end }) => {
    redisTest('is told by its cause, and used again', async () => {
      const redis = await shared()
      const client = clientOf(redis)
      const reasons: (string | null)[] = []
      await client.connect((reason) => reasons.push(reason))
      expect(reasons).toEqual([])
      expect(await isRight(client)).toBe(true)

      await begin(redis)
      await until('a failure', async () => !(await isRight(client)))
      await until('its cause', async () => cause.test(reasons.join()))
      const starting = clientOf(redis).connect()
      if (hint !== null) {
        const refusal = await thrownBy(starting)
        expect(refusal).toMatchObject({ message: expect.stringMatching(cause), hint })
      }

      await end(redis)
      await until('right rows', () => isRight(client))
      await starting.catch(() => {})
      // Once for each cause, whichever nodes have it: a cluster that begins again has some of its own.
      const causes = reasons.map((reason) => reason?.replaceAll(/\S+:\d+/g, ''))
      expect(causes).toEqual([...new Set(causes)])
      expect(causes.length).toBeLessThanOrEqual(5)
    })
  })

  redisTest('that wants a client certificate takes it', async () => {
    const redis = await shared()
    await redis.cliOfEach('CONFIG', 'SET', 'tls-auth-clients', 'yes')
    const client = clientOf(redis, good)
    await client.connect()
    expect(await isRight(client)).toBe(true)
    await redis.cliOfEach('CONFIG', 'SET', 'tls-auth-clients', 'no')
  })
})
