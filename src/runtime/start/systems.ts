import type { RecordSink } from '../../connect/port.ts'
import type { System } from '../../connect/system.ts'
import { connectors } from '../../connect/table.ts'
import { TidemarkError } from '../../kernel/errors.ts'
import { ownSource, type StoreSource } from '../../lookup/store-source.ts'
import type { Definition, SinkStep, StoreDefinition } from '../../topology/definition.ts'
import { systemSinks } from '../../topology/graph.ts'
import type { PreparedStore } from '../prepared.ts'

/** Where the systems are that topologies name. */
export interface SystemChoices {
  /** By connector, its options. `later`: nothing is read or written now. @default {} */
  readonly systems?: object | 'later'
  /** Sources in place of a store's own; `null`: as declared. @default as declared */
  readonly sourceOf?: (store: StoreDefinition) => StoreSource | null
}

/** A part of a topology that names a system. */
interface Use {
  readonly connector: string
  readonly where: string
  readonly sink: SinkStep | null
}

/** In the place of rows that are not read now. */
const notYet = () => Promise.reject(new TidemarkError('INVARIANT', 'it is not connected'))
const NOT_YET: StoreSource = { getMany: notYet, setMany: notYet }

/** Opens the systems that topologies name, none of which is connected yet. */
export async function openSystems(
  definitions: readonly Definition[],
  { systems: options = {}, sourceOf = () => null }: SystemChoices,
) {
  const uses = definitions.flatMap((definition) => usesOf(definition, sourceOf))
  const optionsOf = (name: string) =>
    options === 'later' ? undefined : (options as Readonly<Record<string, never>>)[name]
  const open = new Map<string, System>()
  const sinks = new Map<string, RecordSink>()
  const faults = uses.flatMap((use) =>
    faultsOf(use, options === 'later' || !!optionsOf(use.connector)),
  )
  for (const [name, connector] of faults.length > 0 ? [] : connectors) {
    const given = optionsOf(name)
    const named = uses.filter((use) => use.connector === name)
    if (named.length === 0 || given === undefined) continue
    const system = await connector.open(given)
    open.set(name, system)
    const steps = named.flatMap(({ sink }) => sink ?? [])
    const sink = steps.length === 0 ? undefined : system.sink?.(steps)
    for (const { topic } of sink === undefined ? [] : steps) sinks.set(topic, sink as RecordSink)
  }
  const declared = (store: StoreDefinition): StoreSource => {
    if (!('connector' in store.from)) return ownSource(store.from)
    return open.get(store.from.connector)?.rows?.(store) ?? NOT_YET
  }
  const prepared = (definition: StoreDefinition): PreparedStore => {
    return { definition, source: sourceOf(definition) ?? declared(definition) }
  }
  return {
    all: [...open.values()],
    /** By the name of sinks outside the log, those of one system together. */
    sinks,
    faults,
    storesOf: ({ stores }: Definition) => stores.map(prepared),
  }
}

function usesOf(definition: Definition, sourceOf: (store: StoreDefinition) => StoreSource | null) {
  const { name: topology, stores } = definition
  const rows = stores.flatMap((store): Use[] => {
    if (!('connector' in store.from) || sourceOf(store) !== null) return []
    return [{ connector: store.from.connector, where: `${topology}/${store.name}`, sink: null }]
  })
  const sinks = systemSinks(definition).map((sink): Use => {
    return { connector: sink.system?.connector ?? '', where: `${topology}/${sink.topic}`, sink }
  })
  return [...rows, ...sinks]
}

function faultsOf({ connector: name, where, sink }: Use, isGiven: boolean): TidemarkError[] {
  const connector = connectors.get(name)
  if (connector === undefined) {
    const hint = `there are: ${[...connectors.keys()].join(', ')}`
    return [
      new TidemarkError('TOPOLOGY_INVALID', `there is no connector "${name}"`, { where, hint }),
    ]
  }
  const messages = sink === null ? [] : (connector.sinkFaults?.(sink) ?? ['it takes no sinks'])
  const faults = messages.map(
    (message) => new TidemarkError('TOPOLOGY_INVALID', message, { where }),
  )
  if (isGiven) return faults
  const { label, hint } = connector
  return [...faults, new TidemarkError('CONFIG_INVALID', `it needs ${label}`, { where, hint })]
}
