import type { EventFunction } from '../definition.ts'
import type { CellType } from './rule.ts'
import { type Aggregate, cellTypesOf, columnsOf, parameterOf, ruleOf } from './table.ts'

/** The columns of one kind of event. */
export interface ColumnUses {
  readonly columns: Readonly<Record<string, EventFunction<unknown>>>
  /** By column, the types that suit all aggregates checked so far. */
  readonly types: Map<string, readonly CellType[]>
}

const USE: Readonly<Record<CellType, string>> = {
  number: 'number',
  string: 'text',
  boolean: 'condition',
}

/** Reports the faults of one aggregate, given those checked before it. */
export function checkAggregate(
  aggregate: Aggregate,
  { columns, types }: ColumnUses,
  tell: (what: string) => void,
): void {
  const needed = cellTypesOf(aggregate)
  for (const column of new Set(columnsOf(aggregate))) {
    if (!Object.hasOwn(columns, column)) tell(`there is no column "${column}"`)
    const before = types.get(column) ?? needed
    const both = before.filter((type) => needed.includes(type))
    if (both.length > 0) types.set(column, both)
    else tell(`column "${column}" is used as a ${namesOf(before)} and as a ${namesOf(needed)}`)
  }
  const fault = ruleOf(aggregate).parameter?.fault(parameterOf(aggregate)) ?? null
  if (fault !== null) tell(fault)
  if ('empty' in aggregate) checkEmpty(aggregate, tell)
}

/** Reports an `empty` that is not a number, as JavaScript may pass. */
export function checkEmpty({ empty }: { empty: unknown }, tell: (what: string) => void): void {
  if (typeof empty !== 'number') tell(`empty must be a number, got ${typeof empty}`)
}

function namesOf(types: readonly CellType[]): string {
  return types.map((type) => USE[type]).join(' or a ')
}
