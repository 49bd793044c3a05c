import { NULL, PRESENT } from '../../columns/columns.ts'
import type { KnownValue } from './known-values.ts'
import { cellOf, memoryOf, type ScoredRows } from './scored-rows.ts'

type Literal = string | number | boolean | null
/** Is the condition true in row `i`? */
export type RowTest = (i: number, rows: ScoredRows) => boolean

/** Tests whether a value `=== to`. */
export function equalityTest(value: Exclude<KnownValue, { is: 'object' }>, to: Literal): RowTest {
  switch (value.is) {
    case 'constant':
      return always(value.value === to)
    case 'score':
      return (i, { scores }) => scores[value.column]?.[i] === to
    case 'feature':
      return (i, { features }) => features[i * value.width + value.index] === to
    case 'carried':
      return (i, { carried }) => carried[i * value.width + value.index] === to
    case 'field':
      return to === null ? isNull(value.column) : fieldTest(value, to)
  }
}

function fieldTest(
  { column, type }: Extract<KnownValue, { is: 'field' }>,
  to: Exclude<Literal, null>,
): RowTest {
  if (type === 'text') return typeof to === 'string' ? isText(column, to) : always(false)
  if (type === 'number') return typeof to === 'number' ? isNumber(column, to) : always(false)
  return typeof to === 'boolean' ? isNumber(column, Number(to)) : always(false)
}

function isNull(column: number): RowTest {
  return (i, rows) => rows.events.columns.states[cellOf(column, i, rows)] === NULL
}

function isNumber(column: number, to: number): RowTest {
  return (i, rows) => {
    const { states, numbers } = rows.events.columns
    const cell = cellOf(column, i, rows)
    return states[cell] === PRESENT && numbers[cell] === to
  }
}

function isText(column: number, to: string): RowTest {
  const wanted = Buffer.from(to)
  // A lone surrogate has no UTF-8: it would be replaced by another character. No text of an event
  // has one.
  if (wanted.toString() !== to) return always(false)
  return (i, rows) => {
    const { states, starts, ends } = rows.events.columns
    const cell = cellOf(column, i, rows)
    const start = starts[cell] as number
    if (states[cell] !== PRESENT || (ends[cell] as number) - start !== wanted.length) return false
    const { bytes } = memoryOf(i, rows)
    for (let k = 0; k < wanted.length; k++) if (bytes[start + k] !== wanted[k]) return false
    return true
  }
}

function always(answer: boolean): RowTest {
  return () => answer
}
