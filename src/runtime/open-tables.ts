import { plainOf } from '../formats/json/zod-schema.ts'
import { openFormat } from '../formats/open-format.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { LoadedTable, type TableRoom } from '../lookup/table.ts'
import { rowMaker } from '../lookup/table-file.ts'
import type { SchemaRegistry } from '../registry/schema-registry.ts'
import type { Definition, TableDefinition } from '../topology/definition.ts'
import { formOf } from '../topology/function-form.ts'
import { readFunction } from '../topology/function-reading.ts'
import type { PreparedTable } from './prepared-table.ts'
import { TableFormat } from './table-format.ts'

/** What tables are made with. */
interface OpenOptions {
  /** `null`: none is given. */
  readonly registry: SchemaRegistry | null
  readonly room: TableRoom
}

/** The tables of some topologies, without rows yet. */
interface OpenTables {
  readonly all: readonly LoadedTable[]
  readonly faults: readonly TidemarkError[]
  of(definition: Definition): readonly PreparedTable[]
}

/** Makes the tables of topologies. Those that are the same become one. */
export async function openTables(
  definitions: readonly Definition[],
  options: OpenOptions,
): Promise<OpenTables> {
  const declared = definitions.flatMap(({ tables }) => tables)
  const distinct = declared.filter((one, i) => declared.findIndex((d) => isSame(d, one)) === i)
  const labels = labelsOf(distinct)
  const opened = await Promise.all(
    distinct.map((one, i) => faultOr(openTable(one, { ...options, label: labels[i] as string }))),
  )
  const prepared = opened.flatMap((one) => (one instanceof TidemarkError ? [] : [one]))
  return {
    all: prepared.map(({ table }) => table),
    faults: opened.filter((one) => one instanceof TidemarkError),
    of: ({ tables }) =>
      tables.flatMap((one) => prepared.find(({ table }) => isSame(table.definition, one)) ?? []),
  }
}

/** What a promise gives, or the error that it rejects with. */
async function faultOr<T>(opening: Promise<T>): Promise<T | TidemarkError> {
  try {
    return await opening
  } catch (thrown) {
    if (thrown instanceof TidemarkError) return thrown
    throw thrown
  }
}

async function openTable(
  definition: TableDefinition,
  { registry, ...options }: OpenOptions & { readonly label: string },
): Promise<PreparedTable> {
  const { topic } = definition.from
  if (topic === undefined) {
    return {
      table: new LoadedTable(definition, { ...options, make: rowMaker(definition) }),
      format: null,
    }
  }
  const format = new TableFormat(
    await openFormat(
      { ...definition, topic, onTombstone: 'dead-letter' },
      { wanted: [], registry },
    ),
  )
  return { table: new LoadedTable(definition, { ...options, make: format.make }), format }
}

/** The tables' names; a number tells apart those that have one name and are not the same. */
function labelsOf(tables: readonly TableDefinition[]): string[] {
  return tables.map(({ name }, i) => {
    const before = tables.slice(0, i).filter((table) => table.name === name).length
    return before === 0 ? name : `${name}-${before + 1}`
  })
}

/** Do two declarations have the same name, and the same rows? */
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

/** Do two schemas accept and return the same? Yes if they are one, or alike and known wholly. */
function isSameSchema(a: TableDefinition['schema'], b: TableDefinition['schema']): boolean {
  if (a === b) return true
  const [known, other] = [plainOf(a), plainOf(b)]
  return known.kind !== 'opaque' && JSON.stringify(known) === JSON.stringify(other)
}

type RowFunction = ((row: unknown) => unknown) | null

/** Do two functions compute the same? Yes if they are one, or are alike and capture nothing. */
function isSameFunction(a: RowFunction, b: RowFunction): boolean {
  if (a === b) return true
  return a !== null && b !== null && !('why' in readFunction(a)) && formOf(a) === formOf(b)
}
