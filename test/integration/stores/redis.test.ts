import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { redis as inRedis } from 'tidemark'
import { describe, expect, onTestFinished } from 'vitest'
import { Redis } from '../../../src/lookup/redis.ts'
import { INVALID, redisSource } from '../../../src/lookup/store-source.ts'
import { sinkVersion, versionKeyOf } from '../../../src/runtime/commit/redis-sink.ts'
import { until } from '../../services/cluster.ts'
import { freePorts } from '../../services/ports.ts'
import { redisTest, startRedis, startRedisCluster, startRedisTls } from '../../services/redis.ts'
import type { RedisService } from '../../services/start-redis.ts'
import { thrownBy } from '../../support/thrown.ts'

// The client on a real Redis, one server and a cluster.

function clientOf(urls: readonly string[], more: { password?: string; ca?: string } = {}): Redis {
  const client = new Redis({ urls, password: null, ca: null, ...more })
  onTestFinished(() => client.close())
  return client
}

async function connected(service: RedisService, more: { password?: string } = {}): Promise<Redis> {
  const client = clientOf(service.urls, more)
  expect(await client.connect()).toBe(null)
  return client
}

const KINDS = [
  ['one server', startRedis],
  ['a cluster', startRedisCluster],
] as const

describe.each(KINDS)('on %s', (_, start) => {
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
})

describe('a start', () => {
  const refusalOf = (urls: readonly string[], more: { password?: string; ca?: string } = {}) =>
    thrownBy(clientOf(urls, more).connect())

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
    expect(await clientOf(urls, { password: 'right' }).connect()).toBe(null)
  })

  redisTest('is refused with TLS, where the server has none', async () => {
    const { urls } = await startRedis()
    const refusal = await refusalOf(urls.map((url) => url.replace('redis:', 'rediss:')))
    expect([refusal.code, refusal.hint]).toEqual(['CONFIG_INVALID', 'write redis://'])
  })

  redisTest(
    'is refused without TLS, where the server has only that, and with another CA',
    async () => {
      const { url, ca } = await startRedisTls()
      const refusals = [await refusalOf([url.replace('rediss:', 'redis:')]), await refusalOf([url])]
      expect(refusals.map(({ code, hint }) => [code, hint])).toEqual([
        ['CONFIG_INVALID', 'write rediss://'],
        ['CONFIG_INVALID', 'give its CA certificates with --redis-ca'],
      ])
      expect(await clientOf([url], { ca }).connect()).toBe(null)
    },
  )

  redisTest('goes on without an answer, and connects once there is one', async () => {
    const [port = 0] = await freePorts(1)
    const client = clientOf([`redis://127.0.0.1:${port}`])
    expect(await client.connect()).toContain('ECONNREFUSED')
    await expect(client.get(['a'])).rejects.toThrow('Redis does not answer')
  })
})

redisTest('a server that was gone is used again, and one that stops answers late', async () => {
  const service = await startRedis()
  const client = await connected(service)
  await service.cli('SET', 'a', '1')
  service.signal('SIGKILL')
  const isGone = async () => {
    const answers = await client.get(['a']).catch((error: Error) => [error])
    return answers[0] instanceof Error
  }
  await until('an error', isGone)
  await service.restart()
  await until('an answer', async () => !(await isGone()))
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
  expect(await client.connect()).toBe(null)
  expect(await client.get(['a'])).toEqual(['1'])
  for (const [socket, server] of pairs) socket.unpipe(server)
  const answers = async () => {
    const asked = client.get(['a']).catch(() => null)
    return (await Promise.race([asked, sleep(500, null)]))?.[0] === '1'
  }
  expect(await answers()).toBe(false)
  await until('an answer', answers)
})
