import { createClient } from 'redis'
import { redis as inRedis } from 'tidemark'
import { describe, expect, onTestFinished } from 'vitest'
import { z } from 'zod'
import { Redis } from '../../../src/connect/redis/redis-client.ts'
import { redisSource } from '../../../src/connect/redis/redis-rows.ts'
import { wallClock } from '../../../src/kernel/clock.ts'
import { OpenStore } from '../../../src/lookup/store.ts'
import { mulberry32 } from '../../bench/payments.ts'
import { STORE_DEFAULTS } from '../../lookup/stores.ts'
import { until } from '../../services/cluster.ts'
import { redisTest, sharedRedis } from '../../services/redis.ts'
import { launchRedis, launchRedisCluster, type RedisService } from '../../services/start-redis.ts'

// A store on a real Redis: its values beside those of a naive one, and how often it asks.

const KINDS = [
  ['one server', launchRedis],
  ['a cluster', launchRedisCluster],
] as const

const FIELDS = ['x', 'y'] as const
const Row = z.object({ x: z.number().optional(), y: z.number().optional() })
/** The first letter of an id decides the slot in a cluster. */
const SLOTS = ['a', 'b', 'c']
const IDS = SLOTS.flatMap((slot) => Array.from({ length: 8 }, (_, i) => `${slot}${i}`))
const LAYOUTS = [
  ['JSON under a key', inRedis({ key: (id) => `{${id[0]}}${id}` })],
  [
    'a key for each field',
    inRedis({ fields: FIELDS, key: (id, field) => `{${id[0]}}${id}:${field}` }),
  ],
] as const

type Nodes = Awaited<ReturnType<typeof nodesOf>>
type Node = Nodes[number]
const STEPS = 400

/** A connection to each server, which has no keys. */
function nodesOf({ urls }: RedisService) {
  const connecting = urls.map(async (url) => {
    const node = await createClient({ url }).connect()
    onTestFinished(() => node.destroy())
    await node.flushAll()
    return node
  })
  return Promise.all(connecting)
}

/** A figure of INFO, of all servers together. */
async function sumOf(nodes: Nodes, section: string, figure: RegExp): Promise<number> {
  const infos = await Promise.all(nodes.map((node) => node.info(section)))
  return infos.reduce((sum, info) => sum + Number(figure.exec(info)?.[1] ?? 0), 0)
}

async function openStore({ urls }: RedisService, from: (typeof LAYOUTS)[number][1], freshMs = 0) {
  const redis = new Redis({ urls, password: null, ca: null })
  onTestFinished(() => redis.close())
  await redis.connect()
  const source = redisSource(from, redis)
  const definition = { ...STORE_DEFAULTS, schema: Row, from, freshMs, deadlineMs: 5_000 }
  const [report, failing] = [() => undefined, () => undefined]
  const options = { source, clock: wallClock, maxBytes: 1_000_000, report, failing }
  return { source, store: new OpenStore(definition, options) }
}

/** Values that expire. */
class NaiveValues {
  readonly #values = new Map<string, { value: unknown; fromMs: number; byMs: number }>()

  /** The value may be gone `fromMs`, and is by `byMs`. */
  set(name: string, value: unknown, gone: { fromMs: number; byMs: number }): void {
    this.#values.set(name, { value, ...gone })
  }

  /** The values that may be read between two times. */
  between(name: string, startMs: number, endMs: number): unknown[] {
    const known = this.#values.get(name)
    if (known === undefined || startMs > known.byMs) return [undefined]
    return endMs < known.fromMs ? [known.value] : [known.value, undefined]
  }
}

/** A key that is moved to another server may stay for longer, ms. */
const MOVED_MS = 50

/**
 * Moves slots from one server to the next, a key at a time, until it is over.
 * @param owners of the slots that were moved
 */
async function moveSlots(
  nodes: Nodes,
  owners: Map<number, number>,
  isOver: () => boolean,
): Promise<void> {
  const ids = await Promise.all(nodes.map((node) => node.clusterMyId()))
  for (let turn = 0; !isOver(); turn++) {
    const slot = await (nodes[0] as Node).clusterKeySlot(SLOTS[turn % SLOTS.length] as string)
    // A new cluster has its slots in order.
    const from = owners.get(slot) ?? Math.floor((slot * nodes.length) / 16_384)
    const to = (from + 1) % nodes.length
    owners.set(slot, to)
    const [source, target] = [nodes[from] as Node, nodes[to] as Node]
    await target.clusterSetSlot(slot, 'IMPORTING', ids[from])
    await source.clusterSetSlot(slot, 'MIGRATING', ids[to])
    const { host = '', port = 0 } = target.options.socket as { host?: string; port?: number }
    // MIGRATE leaves a key that expires meanwhile, and a slot with keys is not given away.
    const keysLeft = () => source.clusterGetKeysInSlot(slot, 1_000)
    for (let keys = await keysLeft(); keys.length > 0; keys = await keysLeft())
      for (const key of keys) await source.migrate(host, port, key, 0, 5_000)
    for (const node of [target, source, ...nodes]) await node.clusterSetSlot(slot, 'NODE', ids[to])
    // Until then an old message of a server could undo it.
    await until('agreed', () => agree(nodes))
  }
}

/** Do all servers know the same of each: its epoch and its slots? */
async function agree(nodes: Nodes): Promise<boolean> {
  const known = await Promise.all(nodes.map((node) => node.clusterNodes()))
  const [first, ...others] = known.map((text) => {
    const lines = text.trim().split('\n')
    const states = lines.map((line) => {
      const [id, , , , , , epoch, , ...slots] = line.split(' ')
      return [id, epoch, ...slots].join(' ')
    })
    return states.toSorted().join('\n')
  })
  return others.every((other) => other === first)
}

describe.each(KINDS)('on %s', (kind, launch) => {
  const start = sharedRedis(launch)
  const owners = new Map<number, number>()
  describe.each(LAYOUTS)('in %s', (_, layout) => {
    redisTest('values are those of a naive store, also while slots move', async () => {
      const service = await start()
      const nodes = await nodesOf(service)
      const { source, store } = await openStore(service, layout)
      const naive = new NaiveValues()
      const random = mulberry32(7)
      const { fields } = layout.options
      const some = <T>(all: readonly T[]) => all.filter(() => random() < 0.2)

      const write = async () => {
        const ttlMs = random() < 0.4 ? 5 : 60_000
        const rows = some(IDS).map((key) => {
          const own = fields !== undefined && random() < 0.5 ? [FIELDS[0]] : FIELDS
          const value = Object.fromEntries(own.map((field) => [field, Math.floor(1e6 * random())]))
          return { key, value, fields: own }
        })
        const startMs = Date.now()
        await source.setMany(rows, ttlMs)
        const gone = { fromMs: startMs + ttlMs, byMs: Date.now() + ttlMs + MOVED_MS }
        for (const { key, value } of rows)
          for (const [field, of] of Object.entries(value)) naive.set(`${key}:${field}`, of, gone)
      }

      const read = async () => {
        const keys = some(IDS)
        const startMs = Date.now()
        const rows = store.rows()
        await rows.fetch({ keys, timesMs: new Float64Array(keys.length).fill(startMs) })
        const endMs = Date.now()
        for (const [i, key] of keys.entries()) {
          const row = (rows.at(i) ?? {}) as z.infer<typeof Row>
          expect(rows.degraded).toBe(null)
          for (const field of FIELDS)
            expect(naive.between(`${key}:${field}`, startMs, endMs)).toContain(row[field])
        }
      }

      let isOver = false
      const isMoved = kind === 'a cluster'
      const moving = isMoved ? moveSlots(nodes, owners, () => isOver) : Promise.resolve()
      try {
        for (let step = 0; step < STEPS; step++) await (random() < 0.4 ? write() : read())
      } finally {
        isOver = true
        await moving
      }
      const asks = await sumOf(nodes, 'errorstats', /errorstat_ASK:count=(\d+)/)
      const moves = await sumOf(nodes, 'errorstats', /errorstat_MOVED:count=(\d+)/)
      expect([asks > 5, moves > 5]).toEqual([isMoved, isMoved])
    })
  })

  redisTest('a key is read once, for many events of many batches, while it is fresh', async () => {
    const service = await start()
    const nodes = await nodesOf(service)
    const { source, store } = await openStore(service, LAYOUTS[0][1], 60_000)
    await source.setMany(
      IDS.map((key) => ({ key, value: { x: 1 }, fields: [] })),
      60_000,
    )
    const readsOf = async () =>
      (await sumOf(nodes, 'stats', /keyspace_hits:(\d+)/)) +
      (await sumOf(nodes, 'stats', /keyspace_misses:(\d+)/))
    const commandsOf = async () =>
      (await sumOf(nodes, 'commandstats', /cmdstat_get:calls=(\d+)/)) +
      (await sumOf(nodes, 'commandstats', /cmdstat_mget:calls=(\d+)/))
    const before = { reads: await readsOf(), commands: await commandsOf() }
    const random = mulberry32(3)
    const batches = Array.from({ length: 30 }, () => IDS.filter(() => random() < 0.3))
    const look = async (keys: readonly string[]) => {
      const rows = store.rows()
      await rows.fetch({ keys, timesMs: new Float64Array(keys.length) })
      const found = keys.map((_, i) => rows.at(i))
      expect(found).toEqual(keys.map(() => ({ x: 1 })))
    }
    // Some at the same time, and some afterwards.
    await Promise.all(batches.slice(0, 10).map(look))
    for (const batch of batches.slice(10)) await look(batch)
    expect(new Set(batches.flat()).size).toBe(IDS.length)
    expect((await readsOf()) - before.reads).toBe(IDS.length)
    expect((await commandsOf()) - before.commands).toBeLessThanOrEqual(
      kind === 'a cluster' ? IDS.length : batches.length,
    )
    expect(store.takeCounts().missed).toBeGreaterThanOrEqual(IDS.length)
  })
})
