import type { Format, RawRecords } from '../../formats/format.ts'
import { plainOf } from '../../formats/json/zod-schema.ts'
import { openFormat } from '../../formats/open-format.ts'
import type { KeyedHash } from '../../kernel/bytes.ts'
import { orFault, TidemarkError } from '../../kernel/errors.ts'
import { atOnce, Slices } from '../../kernel/slices.ts'
import { type MakeRow, rowFault } from '../../lookup/rows.ts'
import { LoadedTable, type TableRoom } from '../../lookup/table.ts'
import { rowMaker } from '../../lookup/table-file.ts'
import type { SchemaRegistry } from '../../registry/schema-registry.ts'
import type { Definition, TableDefinition } from '../../topology/definition.ts'
import { formOf } from '../../topology/function-form.ts'
import { readFunction } from '../../topology/function-reading.ts'
import { scoreStepsOf } from '../../topology/graph.ts'
import type { DriftDefinition } from '../../topology/reuse.ts'
import { schemaForm } from '../../topology/schema.ts'
import type { RowFormat } from '../prepared.ts'

interface OpenOptions {
  readonly registry: SchemaRegistry | null
  readonly room: TableRoom
  readonly hash: KeyedHash
}

/** Makes the tables of topologies, still without rows. Equal declarations share one table. */
export async function openTables(definitions: readonly Definition[], options: OpenOptions) {
  const declared = definitions.flatMap(({ tables }) => tables)
  const distinct = declared.filter((one, i) => declared.findIndex((d) => isSame(d, one)) === i)
  const labels = labelsOf(distinct)
  const opened = await Promise.all(
    distinct.map((one, i) => {
      const details = {
        ...options,
        label: labels[i] as string,
        drifts: driftsOf(one, definitions),
      }
      return openTable(one, details).catch(orFault)
    }),
  )
  const prepared = opened.flatMap((one) => (one instanceof TidemarkError ? [] : [one]))
  return {
    all: prepared.map(({ table }) => table),
    faults: opened.filter((one) => one instanceof TidemarkError),
    of: ({ tables }: Definition) =>
      tables.flatMap((one) => prepared.find(({ table }) => isSame(table.definition, one)) ?? []),
  }
}

/** Measures that score steps of topologies need over the rows of a table. */
function driftsOf(table: TableDefinition, definitions: readonly Definition[]): DriftDefinition[] {
  return definitions.flatMap(({ tables, then }) =>
    scoreStepsOf(then).flatMap(({ reuse }) => {
      const named = tables.find(({ name }) => name === reuse?.table)
      return reuse?.drift && named !== undefined && isSame(named, table) ? [reuse.drift] : []
    }),
  )
}

type OwnOptions = OpenOptions & { readonly label: string; readonly drifts: DriftDefinition[] }

async function openTable(definition: TableDefinition, { registry, ...parts }: OwnOptions) {
  const { topic } = definition.from
  const source =
    topic === undefined ? null : { ...definition, topic, onTombstone: 'dead-letter' as const }
  const format = source && tableFormat(await openFormat(source, { wanted: [], registry }))
  const make = format?.make ?? rowMaker(definition)
  return { table: new LoadedTable(definition, { ...parts, make }), format }
}

/** The tables' names; a number tells apart those that have one name and are not the same. */
function labelsOf(tables: readonly TableDefinition[]): string[] {
  return tables.map(({ name }, i) => {
    const before = tables.slice(0, i).filter((table) => table.name === name).length
    return before === 0 ? name : `${name}-${before + 1}`
  })
}

/** Whether two declarations have the same name, and the same rows. */
function isSame(a: TableDefinition, b: TableDefinition): boolean {
  return (
    a.name === b.name &&
    isSameSchema(a.schema, b.schema) &&
    a.from.topic === b.from.topic &&
    a.from.file?.href === b.from.file?.href &&
    JSON.stringify(a.format) === JSON.stringify(b.format) &&
    isSameFunction(a.key, b.key) &&
    isSameFunction(a.asOf, b.asOf)
  )
}

/** Whether two schemas accept and return the same: they are one, or alike and known wholly. */
function isSameSchema(a: TableDefinition['schema'], b: TableDefinition['schema']): boolean {
  if (a === b) return true
  const [known, other] = [plainOf(a), plainOf(b)]
  if (known.kind === 'opaque' || JSON.stringify(known) !== JSON.stringify(other)) return false
  // They may differ in values that are not scanned, such as what `coerce` takes.
  return JSON.stringify(schemaForm(a)) === JSON.stringify(schemaForm(b))
}

type RowFunction = ((row: unknown) => unknown) | null

/** Whether two functions compute the same: they are one, or are alike and capture nothing. */
function isSameFunction(a: RowFunction, b: RowFunction): boolean {
  if (a === b) return true
  return a !== null && b !== null && !('why' in readFunction(a)) && formOf(a) === formOf(b)
}

/** Stands in for the record's key, because formats demand one; a table checks its keys itself. */
const ANY_KEY = Buffer.from('k')
/** The rest of a record, which a row does not depend on. */
const OTHERS = { offset: 0, timestampMs: 0, key: ANY_KEY, headers: [] }
const NOWHERE = { topic: '', partition: 0 }

/** Decodes the values of records, whatever their keys, and makes the rows of valid ones. */
export function tableFormat(format: Format): RowFormat & { readonly make: MakeRow } {
  const ownSlices = new Slices()
  return {
    prepare: (records, how) => format.prepare(keyed(records), how),
    decode: ({ from, records }, slices) => format.decode({ from, records: keyed(records) }, slices),
    make: (value) => {
      const { events, faults } = atOnce(
        format.decode({ from: NOWHERE, records: single(value) }, ownSlices),
      )
      const [fault] = faults
      if (fault !== undefined) throw fault.error
      const row = events.at(0)
      if (row == null) throw rowFault('the schema returned no row')
      return row
    },
  }
}

function keyed(records: RawRecords): RawRecords {
  return {
    length: records.length,
    at: (index) => ({ ...OTHERS, value: records.at(index).value }),
    locate: (index, into) => {
      records.locate(index, into)
      return true
    },
  }
}

/** One value, to be decoded into an object. It reports no place, so that it is not scanned. */
function single(value: Buffer): RawRecords {
  return {
    length: 1,
    at: () => ({ ...OTHERS, value }),
    locate: (_, into) => {
      into.from = -1
      return false
    },
  }
}
