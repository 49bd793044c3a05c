import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { redis as inRedis } from 'tidemark'
import { describe, expect, onTestFinished } from 'vitest'
import type { NewRecord } from '../../../src/connect/port.ts'
import { Redis, type RedisOptions } from '../../../src/connect/redis/redis-client.ts'
import { redisSource } from '../../../src/connect/redis/redis-rows.ts'
import { redisSink, versionKeyOf } from '../../../src/connect/redis/redis-sink.ts'
import { sinkVersion, VERSION_HEADER } from '../../../src/connect/system.ts'
import { INVALID } from '../../../src/lookup/store-source.ts'
import { record } from '../../connect/listener.ts'
import { sinkContract } from '../../connect/sink-contract.ts'
import { Certificates } from '../../services/certificates.ts'
import { until } from '../../services/cluster.ts'
import { freshName } from '../../services/kafka.ts'
import { freePorts } from '../../services/ports.ts'
import { redisTest, sharedRedis, startRedis } from '../../services/redis.ts'
import { launchRedis, launchRedisCluster, type RedisService } from '../../services/start-redis.ts'
import { thrownBy } from '../../support/thrown.ts'

// The client on a real Redis, one server and a cluster.

type Login = Partial<Omit<RedisOptions, 'urls'>>

function clientOf(urls: readonly string[], login: Login = {}): Redis {
  const client = new Redis({ urls, password: null, ca: null, ...login })
  onTestFinished(() => client.close())
  return client
}

/** Connects. @returns the failures that it reports, then and later */
async function failuresOf(client: Redis): Promise<readonly (string | null)[]> {
  const failures: (string | null)[] = []
  await client.connect((reason) => failures.push(reason))
  return failures
}

async function connected(service: RedisService): Promise<Redis> {
  const client = clientOf(service.urls)
  expect(await failuresOf(client)).toEqual([])
  return client
}

const KINDS = [
  ['one server', launchRedis],
  ['a cluster', launchRedisCluster],
] as const

describe.each(KINDS)('on %s', (kind, launch) => {
  const start = sharedRedis(launch)

  sinkContract((name, run) => {
    redisTest(name, async () => {
      const service = await start()
      const redis = await connected(service)
      const topic = freshName('sink')
      const step = { topic, system: { connector: 'redis', options: { ttlMs: null } } }
      let written = 0
      const versioned = (key: string, value: string, version: string): NewRecord => {
        const headers = [{ name: VERSION_HEADER, value: Buffer.from(version) }]
        return { ...record(topic, { key: Buffer.from(key), value: Buffer.from(value) }), headers }
      }
      const unversioned = record(topic, { key: Buffer.from('a'), value: Buffer.from('1') })
      await run({
        sink: redisSink(redis, [step]),
        record: (key, value) => {
          written++
          const place = { topic: 'events', partition: 0, offset: written }
          return versioned(`${topic}:${key}`, value, sinkVersion(1, place))
        },
        values: async (key) => {
          const [value] = await redis.get([`${topic}:${key}`])
          return [String(value)]
        },
        refused: { record: unversioned, code: 'INVARIANT' },
        close: async () => {},
      })
    })
  })

  redisTest('rows are JSON under a key, and anything else is no row', async () => {
    const service = await start()
    const source = redisSource(inRedis({ key: (id) => `card:${id}` }), await connected(service))
    await service.cli('SET', 'card:a', '{"spend":1}')
    await service.cli('SET', 'card:b', '{"spend"')
    await service.cli('LPUSH', 'card:c', '1')
    const large = "redis.call('SET', KEYS[1], '\"' .. string.rep('x', 2^20) .. '\"')"
    await service.cli('EVAL', large, '1', 'card:d')
    await service.cli('SET', 'card:e', 'null')
    const rows = await source.getMany(['a', 'b', 'c', 'd', 'e', 'f'])
    expect(rows.map(({ value }) => value)).toEqual([
      { spend: 1 },
      INVALID,
      INVALID,
      INVALID,
      undefined,
      undefined,
    ])
  })

  redisTest('rows are fields under keys of their own, and are written with their TTL', async () => {
    const service = await start()
    const layout = inRedis({ fields: ['x', 'y'], key: (id, name) => `feature:${id}:${name}` })
    const source = redisSource(layout, await connected(service))
    await service.cli('SET', 'feature:a:x', '1')
    expect(await source.getMany(['a', 'b'])).toEqual([
      { value: { x: 1 }, missing: ['y'] },
      { value: undefined, missing: ['x', 'y'] },
    ])
    await source.setMany([{ key: 'a', value: { y: 2 }, fields: ['y'] }], 60_000)
    expect(await source.getMany(['a'])).toEqual([{ value: { x: 1, y: 2 }, missing: [] }])
    const ttlMs = Number(await service.cli('PTTL', 'feature:a:y'))
    expect([ttlMs > 50_000, ttlMs <= 60_000]).toEqual([true, true])
    expect(await service.cli('PTTL', 'feature:a:x')).toBe('-1')
  })

  redisTest('one request asks once for each key', async () => {
    const service = await start()
    const client = await connected(service)
    await service.cli('SET', 'k1', 'one')
    expect(await client.get(['k1', 'k2', 'k3'])).toEqual(['one', null, null])
  })

  redisTest('a sink keeps the value of the newest version of a key', async () => {
    const service = await start()
    const client = await connected(service)
    const place = { topic: 'payments', partition: 2, offset: 5 }
    const write = (value: string, version: string, ttlMs: number | null = null) => {
      const versionKey = versionKeyOf('k') as string
      return client.keepNewest([
        { key: 'k', versionKey, value: Buffer.from(value), version, ttlMs },
      ])
    }
    const read = () => service.cli('GET', 'k')
    await write('a', sinkVersion(100, place))
    await write('b', sinkVersion(99, { ...place, offset: 9 }))
    expect(await read()).toBe('a')
    await write('c', sinkVersion(100, { ...place, offset: 10 }))
    expect(await read()).toBe('c')
    await write('d', sinkVersion(100, { ...place, partition: 1, offset: 99 }))
    expect(await read()).toBe('c')
    await write('e', sinkVersion(1_000, { ...place, partition: 0, offset: 0 }), 60_000)
    expect(await read()).toBe('e')
    expect(Number(await service.cli('PTTL', '{k}:tidemark'))).toBeGreaterThan(50_000)
    // The same version again, as a commit that is repeated writes it.
    await write('e', sinkVersion(1_000, { ...place, partition: 0, offset: 0 }), 60_000)
    expect(await read()).toBe('e')
  })

  if (kind === 'a cluster') {
    redisTest(
      'whose nodes announce an address where nothing listens, it does not answer',
      async () => {
        const service = await start()
        const [port = 0] = await freePorts(1)
        await service.cliOfEach('CONFIG', 'SET', 'cluster-announce-port', String(port))
        const client = clientOf(service.urls)
        const failures = await failuresOf(client)
        expect(failures).toEqual([
          expect.stringContaining(`127.0.0.1:${port} of the cluster: connect`),
        ])
        await expect(client.get(['a'])).rejects.toThrow(`Redis does not answer (${failures[0]})`)
        await service.cliOfEach('CONFIG', 'SET', 'cluster-announce-port', '0')
        await until('an answer', async () => (await client.get(['a']))[0] === null)
      },
    )
  }
})

describe('a start', () => {
  const refusalOf = (urls: readonly string[], login: Login = {}) =>
    thrownBy(clientOf(urls, login).connect())

  redisTest('is refused with a wrong password, without one, and with a wrong user', async () => {
    const { urls } = await startRedis('--requirepass', 'right')
    const [url = ''] = urls
    const own = url.replace('//', '//somebody@')
    const refusals = [
      await refusalOf(urls, { password: 'wrong' }),
      await refusalOf(urls),
      await refusalOf([own], { password: 'right' }),
    ]
    expect(refusals.map(({ code }) => code)).toEqual(Array(3).fill('AUTHENTICATION'))
    expect(await failuresOf(clientOf(urls, { password: 'right' }))).toEqual([])
  })

  redisTest('is refused with TLS, where the server has none', async () => {
    const { urls } = await startRedis()
    const refusal = await refusalOf(urls.map((url) => url.replace('redis:', 'rediss:')))
    expect([refusal.code, refusal.hint]).toEqual(['CONFIG_INVALID', 'write redis://'])
  })

  redisTest(
    'is refused without TLS, and without a client certificate, where the server wants them',
    async () => {
      const certificates = new Certificates()
      onTestFinished(() => certificates.remove())
      const { certFile, keyFile, cert, key } = certificates.make('IP:127.0.0.1')
      const [port = 0] = await freePorts(1)
      const files = ['--tls-cert-file', certFile, '--tls-key-file', keyFile]
      await startRedis('--tls-port', String(port), ...files, '--tls-ca-cert-file', certFile)
      const url = `rediss://127.0.0.1:${port}`
      const refusals = [
        await refusalOf([url.replace('rediss:', 'redis:')]),
        await refusalOf([url]),
        await refusalOf([url], { ca: cert }),
      ]
      expect(refusals.map(({ code, message, hint }) => [code, message, hint])).toEqual([
        ['CONFIG_INVALID', 'Redis speaks TLS only', 'write rediss://'],
        ['CONFIG_INVALID', 'Redis: its certificate is not trusted', 'give its CA with --redis-ca'],
        [
          'CONFIG_INVALID',
          'Redis: it wants a client certificate',
          'give one: --redis-cert, --redis-key',
        ],
      ])
      expect(await failuresOf(clientOf([url], { ca: cert, cert, key }))).toEqual([])
    },
  )

  redisTest('goes on without an answer, and connects once there is one', async () => {
    const [port = 0] = await freePorts(1)
    const client = clientOf([`redis://127.0.0.1:${port}`])
    const why = `connect ECONNREFUSED 127.0.0.1:${port}`
    expect(await failuresOf(client)).toEqual([why])
    await expect(client.get(['a'])).rejects.toThrow(`Redis does not answer (${why})`)
  })
})

redisTest('a server that was gone is used again, and one that stops answers late', async () => {
  const service = await startRedis()
  const client = clientOf(service.urls)
  const failures = await failuresOf(client)
  await service.cli('SET', 'a', '1')
  service.signal('SIGKILL')
  const isGone = async () => {
    const answers = await client.get(['a']).catch((error: Error) => [error])
    return answers[0] instanceof Error
  }
  await until('an error', isGone)
  // It ended, and was not there again.
  await until('the cause', async () => failures.length === 2)
  expect(failures[1]).toContain('ECONNREFUSED')
  await service.restart()
  await until('an answer', async () => !(await isGone()))
  await until('the end', async () => failures.length === 3)
  expect(failures[2]).toBe(null)
  service.signal('SIGSTOP')
  const answer = client.get(['a'])
  await sleep(100)
  service.signal('SIGCONT')
  expect(await answer).toEqual([null])
})

redisTest('a connection without answers is made again, although commands are sent', async () => {
  const service = await startRedis()
  await service.cli('SET', 'a', '1')
  const { port: behind } = new URL(service.urls[0] as string)
  const pairs: (readonly [Socket, Socket])[] = []
  const proxy = createServer((socket) => {
    const server = connect(Number(behind), '127.0.0.1')
    pairs.push([socket, server])
    socket.pipe(server).pipe(socket)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of pairs.flat()) socket.destroy()
    proxy.close()
  })
  const client = clientOf([`redis://127.0.0.1:${(proxy.address() as AddressInfo).port}`])
  expect(await failuresOf(client)).toEqual([])
  expect(await client.get(['a'])).toEqual(['1'])
  for (const [socket, server] of pairs) socket.unpipe(server)
  const answers = async () => {
    const asked = client.get(['a']).catch(() => null)
    return (await Promise.race([asked, sleep(500, null)]))?.[0] === '1'
  }
  expect(await answers()).toBe(false)
  await until('an answer', answers)
})
