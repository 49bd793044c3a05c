import type { Redis, RedisOptions } from '../../connect/redis/redis-client.ts'
import { redisSource } from '../../connect/redis/redis-rows.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { OpenStore } from '../../lookup/store.ts'
import { ownSource, type StoreSource } from '../../lookup/store-source.ts'
import type { Definition, StoreDefinition } from '../../topology/definition.ts'
import { redisSinks } from '../../topology/graph.ts'
import type { Lookup } from '../../topology/lookup.ts'
import type { WorkerContext } from '../context.ts'
import type { PreparedStore, PreparedTopology } from '../prepared.ts'

/** Where the rows of stores are. */
export interface StoreChoices {
  /** `later`: nothing is read or written now. @default a topology that needs it is refused */
  readonly redis?: RedisOptions | 'later'
  /** Sources in place of a store's own; `null`: as declared. @default as declared */
  readonly sourceOf?: (store: StoreDefinition) => StoreSource | null
}

/** In the place of a connection that is not needed yet. */
const notYet = () => Promise.reject(new TidemarkError('INVARIANT', 'Redis is not connected'))
const NOT_YET: Pick<Redis, 'get' | 'set'> = { get: notYet, set: notYet }

/** Opens the sources of the stores of topologies; nothing is connected yet. */
export async function openStores(definitions: readonly Definition[], choices: StoreChoices) {
  const { redis: given, sourceOf = () => null } = choices
  const inRedis = definitions.flatMap((definition) => [
    ...definition.stores
      .filter((store) => 'redis' in store.from && sourceOf(store) === null)
      .map((store) => `${definition.name}/${store.name}`),
    ...[...redisSinks([definition]).keys()].map((sink) => `${definition.name}/${sink}`),
  ])
  const isOpen = inRedis.length > 0 && typeof given === 'object'
  const redis = isOpen
    ? new (await import('../../connect/redis/redis-client.ts')).Redis(given)
    : null
  const hint = 'say where Redis is, with --redis'
  const faults = (given === undefined ? inRedis : []).map((where) => {
    return new TidemarkError('CONFIG_INVALID', 'it needs Redis', { where, hint })
  })
  const prepared = (definition: StoreDefinition): PreparedStore => {
    const { from } = definition
    const own = () => ('redis' in from ? redisSource(from, redis ?? NOT_YET) : ownSource(from))
    return { definition, source: sourceOf(definition) ?? own() }
  }
  return { redis, faults, of: ({ stores }: Definition) => stores.map(prepared) }
}

interface StoresOptions extends Pick<WorkerContext, 'clock' | 'observer'> {
  readonly topologies: readonly PreparedTopology[]
  /** Memory for all rows together, bytes. */
  readonly maxBytes: number
}

/** The stores of a worker, with the rows that it has asked for. */
export class Stores {
  readonly #byTopology: ReadonlyMap<string, readonly OpenStore[]>

  constructor({ topologies, clock, observer, maxBytes }: StoresOptions) {
    const all = topologies.flatMap(({ stores }) => stores)
    const each = Math.floor(maxBytes / Math.max(1, all.length))
    this.#byTopology = new Map(
      topologies.map(({ definition, stores }) => {
        const { name: topology } = definition
        const own = stores.map(({ definition: of, source }) => {
          const labels = { topology, store: of.name }
          return new OpenStore(of, {
            source,
            clock,
            maxBytes: each,
            report: (report) => observer({ type: 'store-asked', ...labels, ...report }),
            failing: (reason) => observer({ type: 'store-failing', ...labels, reason }),
          })
        })
        return [topology, own]
      }),
    )
  }

  of(topology: string): readonly OpenStore[] {
    return this.#byTopology.get(topology) ?? []
  }

  /** The look-ups of a topology. @param tables its tables */
  lookup(topology: string, tables: Lookup): Lookup {
    const byName = new Map(this.of(topology).map((store) => [store.definition.name, store]))
    return (name) => byName.get(name)?.rows() ?? tables(name)
  }
}
