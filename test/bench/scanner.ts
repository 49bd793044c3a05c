import { ScannedColumns } from '../../src/columns/columns.ts'
import { Scanner } from '../../src/formats/json/scanner.ts'
import { Walker } from '../../src/formats/json/walker.ts'
import { Memory } from '../../src/kernel/bytes.ts'
import { Payment } from '../../topologies/payment.ts'
import { BothWays, boundIn } from '../formats/json/both-ways.ts'
import { KINDS, mutated, produced, written } from '../formats/json/records.ts'
import { jsonEvent, source } from '../formats/json/source.ts'
import { figure, machine } from './figures.ts'
import { mulberry32, paymentLines } from './payments.ts'

// Measures the cost of a payment from bytes to columns, in µs of user and system time, and checks
// that the scanner agrees with the parser, on more records than a test has time for. One process;
// the ways take turns. One JSON line on stdout. npx tsx --conditions tidemark-source
// test/bench/scanner.ts [MUTATED RECORDS] [SEED]

const RECORDS = 50_000
const ROUNDS = 11
const ROWS = 2_048
const KEY = Buffer.from('c-000417')
const WANTED = Object.keys(Payment.shape).map((name) => [name])

interface Payments {
  readonly bytes: Buffer
  /** Where each record starts; it ends where the next one starts. */
  readonly at: Int32Array
}

/** How producers write payments, by name. */
const PRODUCERS: Readonly<Record<string, (payment: object) => string>> = {
  compact: JSON.stringify,
  blanks: (payment) => written(payment, 'python'),
  beyondAscii: (payment) =>
    JSON.stringify({ ...payment, category: 'Lebensmittel & Getränke', country: 'Österreich' }),
}

function payments(write: (payment: object) => string): Payments {
  const at = new Int32Array(RECORDS + 1)
  const all: Buffer[] = []
  for (const payment of wholePayments()) {
    if (all.length === RECORDS) break
    const record = Buffer.from(write(payment))
    all.push(record)
    at[all.length] = (at[all.length - 1] as number) + record.length
  }
  return { bytes: Buffer.concat([...all, Buffer.alloc(8)]), at }
}

/** The payments of the stream that are not malformed. */
function* wholePayments(): Generator<object> {
  for (const line of paymentLines(2 * RECORDS, 7)) {
    try {
      const payment = Payment.safeParse(JSON.parse(line.slice(line.indexOf('\t') + 1)))
      if (payment.success) yield payment.data
    } catch {
      // Truncated.
    }
  }
}

/** Decodes all records once; returns how many it accepted. */
type Way = (payments: Payments) => number

function ways(): Readonly<Record<string, Way>> {
  const given = source(Payment)
  const bound = boundIn({ schema: Payment, wanted: WANTED })
  const scanner = new Scanner(bound)
  const columns = new ScannedColumns(bound.columns, ROWS)
  const walker = new Walker(bound)
  return {
    decoder: ({ bytes, at }) => {
      let taken = 0
      for (let i = 0; i < RECORDS; i++) {
        const event = jsonEvent(given, { key: KEY, value: bytes.subarray(at[i], at[i + 1]) })
        if (event !== null) taken++
      }
      return taken
    },
    scanner: ({ bytes, at }) => {
      const memory = new Memory(bytes.buffer)
      let taken = 0
      for (let i = 0; i < RECORDS; i++) {
        const from = bytes.byteOffset + (at[i] as number)
        const to = bytes.byteOffset + (at[i + 1] as number)
        if (scanner.scan({ memory, from, to }, columns, i % ROWS)) taken++
      }
      return taken
    },
    walker: ({ bytes, at }) => {
      const memory = new Memory(bytes.buffer)
      let taken = 0
      for (let i = 0; i < RECORDS; i++) {
        const from = bytes.byteOffset + (at[i] as number)
        const to = bytes.byteOffset + (at[i + 1] as number)
        if (walker.walk({ memory, from, to }, columns, i % ROWS)) taken++
      }
      return taken
    },
  }
}

/** Median over the rounds, µs a record, by producer and way. */
function costs(): Record<string, unknown> {
  const all = Object.entries(PRODUCERS).map(([name, write]) => {
    const records = payments(write)
    const micros = Object.entries(ways()).map(([way, run]) => ({ way, run, took: [] as number[] }))
    for (let round = -2; round < ROUNDS; round++) {
      for (const { way, run, took } of micros) {
        const before = process.cpuUsage()
        const taken = run(records)
        const { user, system } = process.cpuUsage(before)
        if (taken !== RECORDS) throw new Error(`${way} took ${taken} of ${name}`)
        if (round >= 0) took.push((user + system) / RECORDS)
      }
    }
    const medians = micros.map(({ way, took }) => [
      way,
      figure(took.toSorted((a, b) => a - b)[ROUNDS >> 1] as number, 3),
    ])
    return [name, Object.fromEntries(medians)]
  })
  return Object.fromEntries(all)
}

function agreement(records: number): object {
  const random = mulberry32(Number(process.argv[3] ?? 1))
  let scanned = 0
  for (const kind of KINDS) {
    const both = new BothWays(kind)
    for (let n = 0; n < records / KINDS.length; n++) {
      const record = mutated(produced(kind, random), random)
      const { isScanned, difference } = both.answers(record, random)
      if (difference !== null) throw new Error(`${record.toString('latin1')}: ${difference}`)
      if (isScanned) scanned++
    }
  }
  return { mutated: records, scanned, different: 0 }
}

const mutations = Number(process.argv[2] ?? 2_000_000)
const report = { machine: machine(), costs: costs(), agreement: agreement(mutations) }
process.stdout.write(`${JSON.stringify(report)}\n`)
