import { type DuckDb, sqlName, sqlText } from '../../../src/connect/files/duckdb.ts'
import { cardGbdt } from '../../fixtures/models/card-gbdt.model.ts'

// Compares what two programs have written for the same payments.

/** What may be rounding: an absolute difference of values up to 1, relative to larger ones. */
const ROUNDING = 1e-6

export interface ColumnDifferences {
  /** Values that are not the same float32. */
  readonly different: number
  /** Of these, those further apart than 1e-6; of the larger value where that is above 1. */
  readonly beyondRounding: number
}

/** How the answers of another program differ from ours. */
export interface Differences {
  /** Payments that only we answer, and that only the other does. */
  readonly onlyOurs: number
  readonly onlyTheirs: number
  /** By column. */
  readonly columns: Readonly<Record<string, ColumnDifferences>>
}

export const FEATURES: readonly string[] = cardGbdt.features

interface Compared {
  /** Tables in SQL with `paymentId` and the columns. */
  readonly ours: string
  readonly theirs: string
  readonly columns: readonly string[]
}

export async function differences(
  duckdb: DuckDb,
  { ours, theirs, columns }: Compared,
): Promise<Differences> {
  const side = (of: string) => {
    const floats = columns.map((name) => `${sqlName(name)}::FLOAT AS ${sqlName(name)}`)
    return `(SELECT paymentId, ${floats.join(', ')} FROM ${of})`
  }
  const counted = columns.flatMap((name) => {
    const [a, b] = [`a.${sqlName(name)}`, `b.${sqlName(name)}`]
    const both = 'a.paymentId IS NOT NULL AND b.paymentId IS NOT NULL'
    const far = `abs(${a} - ${b}) > ${ROUNDING} * greatest(1, abs(${a}), abs(${b}))`
    return [
      `${both} AND ${a} IS DISTINCT FROM ${b}`,
      `${both} AND coalesce(${far}, ${a} IS DISTINCT FROM ${b})`,
    ]
  })
  const all = ['b.paymentId IS NULL', 'a.paymentId IS NULL', ...counted]
  const counts = all.map((of) => `count(*) FILTER (${of})::INTEGER`).join(', ')
  const joined = `${side(ours)} a FULL JOIN ${side(theirs)} b ON a.paymentId = b.paymentId`
  const [row = []] = await duckdb.rows(`SELECT ${counts} FROM ${joined}`)
  const [onlyOurs, onlyTheirs, ...found] = row as number[]
  return {
    onlyOurs: onlyOurs as number,
    onlyTheirs: onlyTheirs as number,
    columns: Object.fromEntries(
      columns.map((name, i) => [
        name,
        { different: found[2 * i] as number, beyondRounding: found[2 * i + 1] as number },
      ]),
    ),
  }
}

export function isSame({ onlyOurs, onlyTheirs, columns }: Differences): boolean {
  return onlyOurs + onlyTheirs === 0 && Object.values(columns).every((of) => of.different === 0)
}

/** The table in a file of Parquet, or in those of a glob. */
export function readParquet(path: string): string {
  return `read_parquet(${sqlText(path)})`
}

/** The table in lines of JSON. */
export function readScores(path: string): string {
  const columns = `{paymentId: 'VARCHAR', probability: 'DOUBLE'}`
  return `read_json(${sqlText(path)}, format = 'newline_delimited', columns = ${columns})`
}
