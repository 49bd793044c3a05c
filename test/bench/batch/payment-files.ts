import { createWriteStream, existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type DuckDb, sqlText } from '../../../src/connect/files/duckdb.ts'
import { splitKey } from '../../../src/connect/files/lines.ts'
import { CardOracle } from '../card-oracle.ts'
import { SEED } from '../input.ts'
import { paymentLines } from '../payments.ts'
import { paymentIn } from '../values.ts'
import { FEATURES } from './differences.ts'

// Files made of the stream of payments, each once: they are kept.

/** Characters that are written at once. */
const BLOCK = 2 ** 20
const COLUMNS = `{paymentId: 'VARCHAR', cardId: 'VARCHAR', merchantId: 'VARCHAR', category: 'VARCHAR', country: 'VARCHAR', amount: 'DOUBLE', paidAt: 'BIGINT'}`

export class PaymentFiles {
  readonly #folder: string
  readonly #duckdb: DuckDb

  constructor(folder: string, duckdb: DuckDb) {
    this.#folder = folder
    this.#duckdb = duckdb
  }

  /** Parquet of the first payments of the stream without the malformed, in its order. */
  parquet(events: number): Promise<string> {
    return this.#kept(`payments-${events}.parquet`, async (to) => {
      const lines = `${to}.ndjson`
      await pipeline(Readable.from(blocks(payments(events))), createWriteStream(lines))
      const read = `read_json(${sqlText(lines)}, format = 'newline_delimited', columns = ${COLUMNS})`
      await this.#duckdb.run(`COPY (FROM ${read}) TO ${sqlText(to)} (FORMAT parquet)`)
      await rm(lines)
    })
  }

  /**
   * The same as lines of JSON, by time or shuffled. Payments of one time are in the same order in
   * both.
   */
  async ndjson(events: number, order: 'by time' | 'shuffled'): Promise<string> {
    const from = await this.parquet(events)
    const by = order === 'by time' ? 'paidAt' : 'hash(paidAt)'
    return this.#kept(`payments-${events} ${order}.ndjson`, (to) =>
      this.#duckdb.run(
        `COPY (FROM ${sqlText(from)} ORDER BY ${by}, paymentId) TO ${sqlText(to)} (FORMAT json)`,
      ),
    )
  }

  /**
   * The features of the payments that are not late by a naive oracle, in CSV with a header. It reads
   * the stream itself, malformed lines included.
   */
  oracleRows(events: number): Promise<string> {
    return this.#kept(`oracle-${events}.csv`, (to) =>
      pipeline(Readable.from(blocks(oracleLines(events))), createWriteStream(to)),
    )
  }

  async rowsIn(path: string): Promise<number> {
    const [[rows] = []] = await this.#duckdb.rows(`SELECT count(*) FROM ${sqlText(path)}`)
    return Number(rows)
  }

  async #kept(name: string, make: (to: string) => Promise<void>): Promise<string> {
    const path = join(this.#folder, name)
    if (existsSync(path)) return path
    await mkdir(this.#folder, { recursive: true })
    await make(`${path}.new`)
    await rename(`${path}.new`, path)
    return path
  }
}

function* payments(events: number): Generator<string> {
  for (const line of paymentLines(events, SEED)) {
    const { value } = splitKey(Buffer.from(line))
    if (paymentIn(value) !== null) yield String(value)
  }
}

function* oracleLines(events: number): Generator<string> {
  yield ['paymentId', ...FEATURES].join(',')
  const oracle = new CardOracle()
  for (const line of paymentLines(events, SEED)) {
    const { key, value } = splitKey(Buffer.from(line))
    const answer = oracle.take(key as Buffer, value)
    if (answer.outcome === 'scored') yield [answer.payment.paymentId, ...answer.row].join(',')
  }
}

function* blocks(lines: Iterable<string>): Generator<string> {
  let block = ''
  for (const line of lines) {
    block += `${line}\n`
    if (block.length < BLOCK) continue
    yield block
    block = ''
  }
  yield block
}
