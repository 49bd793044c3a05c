import { setImmediate as nextTurn } from 'node:timers/promises'
import avro, { type Schema } from 'avsc'
import { topic } from 'tidemark'
import { MemoryRecords } from '../../../src/connect/memory/memory-records.ts'
import type { Followed, FollowOptions } from '../../../src/connect/port.ts'
import type { Format } from '../../../src/formats/format.ts'
import { jsonFormat } from '../../../src/formats/json-format.ts'
import { confluentFormat } from '../../../src/formats/registry/confluent-format.ts'
import { Slices } from '../../../src/kernel/slices.ts'
import { LoadedTable, TableRoom } from '../../../src/lookup/table.ts'
import type { RuntimeEvent } from '../../../src/runtime/events.ts'
import { tableFormat } from '../../../src/runtime/tables/open-tables.ts'
import { TopicTable } from '../../../src/runtime/tables/topic-table.ts'
import type { TableDefinition } from '../../../src/topology/definition.ts'
import { HandRegistry, wireValue } from '../../formats/registry/hand-registry.ts'
import { HandClock } from '../../support/clocks.ts'
import { HASH } from '../../support/hash.ts'
import { Merchant } from './merchants.ts'

const definition: TableDefinition = {
  name: 'merchants',
  schema: Merchant,
  format: { is: 'json' },
  key: null,
  asOf: null,
  from: topic('merchants'),
}

const RISK: Schema = {
  type: 'record',
  name: 'Merchant',
  fields: [{ name: 'risk', type: 'double' }],
}

const straight = (records: MemoryRecords, options: FollowOptions): Followed | Promise<Followed> =>
  records.follow(options)

const source = { ...definition, topic: 'merchants', onTombstone: 'dead-letter' } as const
const json: Format = jsonFormat(source, [])

/** Rows in Avro, with schemas in a registry that a test fills. */
export function inAvro() {
  const registry = new HandRegistry()
  const format = { is: 'registry', typeField: null } as const
  const values = confluentFormat({ ...source, format }, format, { registry, wanted: [] })
  const type = avro.Type.forSchema(RISK)
  return {
    values,
    registry,
    register: (id: number) => registry.add(id, { type: 'avro', text: JSON.stringify(RISK) }),
    row: (id: number, risk: number) => wireValue(id, type.toBuffer({ risk })),
  }
}

function inMemory(partitions: number): MemoryRecords {
  const records = new MemoryRecords({ chunkRecords: 100 })
  records.createTopic('merchants', { partitions })
  return records
}

/** A table over a topic in memory. */
export function following({
  partitions = 2,
  follow = straight,
  key: keyOf = null as TableDefinition['key'],
  asOf = null as TableDefinition['asOf'],
  values = json,
  records = inMemory(partitions),
} = {}) {
  const format = tableFormat(values)
  const parts = { label: 'merchants', make: format.make, room: new TableRoom(1e9), hash: HASH }
  const declared = { ...definition, key: keyOf, asOf }
  const table = new LoadedTable(declared, parts)
  const events: RuntimeEvent[] = []
  const clock = new HandClock(0)
  const of = new TopicTable(table, format, {
    records: { topics: { follow: async (options) => follow(records, options) } },
    clock,
    random: () => 0,
    slices: new Slices(() => 0),
    hash: HASH,
    observer: (event) => events.push(event),
  })
  const putValue = (
    key: string,
    value: Buffer | null,
    { partition = 0, timestampMs = 1 }: { partition?: number; timestampMs?: number } = {},
  ) => {
    const place = { topic: 'merchants', partition, timestampMs, headers: [] }
    records.produce([{ ...place, key: Buffer.from(key), value }])
  }
  const put = (key: string, risk: number | string | null, partition = 0) =>
    putValue(key, risk === null ? null : Buffer.from(JSON.stringify({ risk })), { partition })
  const riskOf = (key: string) => (table.get(key, 0) as { risk: number } | undefined)?.risk
  const told = <T extends RuntimeEvent['type']>(type: T) =>
    events.filter((event): event is Extract<RuntimeEvent, { type: T }> => event.type === type)
  const until = async (holds: () => boolean) => {
    while (!holds()) await nextTurn()
  }
  return { records, declared, table, of, put, putValue, riskOf, told, until, clock }
}
