import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { Command, Option } from 'commander'
import { EXIT, untilSignal } from '../../../src/cli/exit.ts'
import { say } from '../../../src/cli/print.ts'
import { DuckDb, sqlText } from '../../../src/connect/files/duckdb.ts'
import { grouped } from '../../../src/kernel/wording.ts'
import { type Running, startProgram, startTidemark } from '../../services/tidemark.ts'
import { build } from '../build.ts'
import { type Figure, figure, machine } from '../figures.ts'
import { brokerList, wholeNumber } from '../flags.ts'
import { tell } from '../program.ts'
import { table } from '../table.ts'
import type { ThroughputFigures } from '../throughput.ts'
import {
  type ColumnDifferences,
  type Differences,
  differences,
  FEATURES,
  isSame,
  readParquet,
  readScores,
} from './differences.ts'
import { PaymentFiles } from './payment-files.ts'
import { PEERS, type Peer, peerArguments, pythonIn } from './peers.ts'
import { treeUsage } from './tree-usage.ts'

// Measures W1 from Parquet to Parquet by `tidemark batch` and by other tools, one after the other,
// and compares every score and feature. A table and one JSON line on stdout, progress on stderr.
//   npx tsx test/bench/batch/bench.ts [--events 5000000] [--only batch-1 run pandas spark duckdb] [--rss]
//     [--sort [6500000]] [--brokers host:port]
// Exits 1 when a value of ours is not that of `run` and of the oracle; never because something is slow.

const W1 = fileURLToPath(new URL('../topologies/w1.ts', import.meta.url))
const KEPT = join(process.env['TIDEMARK_TOOLS'] ?? join(homedir(), '.cache/tidemark'), 'batch')
/** Beside `batch` itself. */
const CONTENDERS = ['batch-1', 'run', ...PEERS] as const
const WORKERS: readonly string[] = ['--workers', '2']
/** For comparing; the programs that are measured have their own. */
const MEMORY = '4GB'
/** Lines of JSON of so many payments are four times the memory in which DuckDB sorts. */
const SORTED_EVENTS = 6_500_000

type Contender = (typeof CONTENDERS)[number]

interface Flags {
  readonly events: number
  readonly only: readonly Contender[]
  readonly brokers?: readonly string[]
  readonly rss: boolean
  readonly sort?: number | true
}

/** What a program took, and how its answers differ from ours. */
interface Line {
  readonly name: string
  readonly rowsPerSecond: Figure
  readonly seconds: Figure
  readonly cpuMicrosPerRow: Figure
  readonly peakRssMb: Figure
  readonly scores?: Differences
  readonly cells?: Differences
}

const ending = untilSignal()

class BatchBench {
  readonly lines: Line[] = []
  isRight = true
  readonly #files: PaymentFiles
  readonly #duckdb: DuckDb
  /** For outputs. */
  readonly #folder: string

  constructor(duckdb: DuckDb, folder: string) {
    this.#files = new PaymentFiles(KEPT, duckdb)
    this.#duckdb = duckdb
    this.#folder = folder
  }

  async measure({ events, only, brokers, rss, sort }: Flags): Promise<void> {
    const isWanted = (name: Contender) => only.length === 0 || only.includes(name)
    const payments = await this.#files.parquet(events)
    // All find the file in memory.
    await pipeline(createReadStream(payments), createWriteStream('/dev/null'))
    await this.#batch('batch', payments)
    await this.#batch('rows', payments, [...WORKERS, '--rows', '--with', 'paymentId'])
    await this.#oracle(events)
    if (isWanted('batch-1')) await this.#batch('batch-1', payments, ['--workers', '1'])
    if (isWanted('run')) await this.#run(events, brokers)
    for (const peer of PEERS) if (isWanted(peer)) await this.#peer(peer, payments)
    if (rss) await this.#batch('twice', await this.#files.parquet(2 * events))
    if (sort !== undefined) await this.#sort(sort === true ? SORTED_EVENTS : sort)
  }

  async #batch(name: string, input: string, flags = WORKERS): Promise<void> {
    const to = ['--output', this.#outputOf(name), '--format', 'parquet']
    const args = ['batch', W1, '--input', input, ...to, ...flags]
    this.lines.push(await this.#measured(name, input, () => startTidemark(args)))
  }

  async #peer(peer: Peer, payments: string): Promise<void> {
    const output = this.#outputOf(peer)
    const python = await pythonIn(KEPT)
    const args = peerArguments(peer, payments, output)
    const line = await this.#measured(peer, payments, () => startProgram(python, args))
    // Spark writes a folder.
    const isFolder = (await stat(output)).isDirectory()
    const theirs = readParquet(isFolder ? join(output, '*.parquet') : output)
    const scores = await this.#scoresBeside(theirs)
    this.lines.push({ ...line, scores, cells: await this.#cellsBeside(theirs) })
    await rm(output, { recursive: true })
  }

  /** `tidemark run` on Kafka, which finds all payments in its topic, the malformed too. */
  async #run(events: number, brokers: readonly string[] | undefined): Promise<void> {
    say('run ...')
    const kept = this.#outputOf('run')
    const args = ['throughput', '--events', String(events), '--keep', kept]
    const on = brokers === undefined ? [] : ['--brokers', brokers.join(',')]
    const told = (await tell(['bench.ts', ...args, ...on], ending)) as ThroughputFigures
    const scores = await this.#scoresBeside(readScores(kept))
    this.lines.push({
      name: 'run',
      rowsPerSecond: told.eventsPerSecond,
      seconds: told.totalSeconds,
      cpuMicrosPerRow: told.cpuMicrosPerEvent,
      peakRssMb: told.peakRssMb,
      scores,
    })
    this.#expect(isSame(scores), 'scores differ from those of run')
    await rm(kept)
  }

  async #oracle(events: number): Promise<void> {
    say('oracle ...')
    const rows = `read_csv(${sqlText(await this.#files.oracleRows(events))})`
    const cells = await this.#cellsBeside(rows)
    this.#expect(isSame(cells), `features differ from the oracle's: ${JSON.stringify(cells)}`)
  }

  /** The same payments by time, and shuffled for `--order time`. */
  async #sort(events: number): Promise<void> {
    const shuffled = await this.#files.ndjson(events, 'shuffled')
    const { size } = await stat(shuffled)
    say(`--order time on ${grouped(Math.round(size / 1e6))} MB`)
    await this.#batch('by time', await this.#files.ndjson(events, 'by time'))
    await this.#batch('shuffled', shuffled, [...WORKERS, '--order', 'time'])
    const [a, b] = ['by time', 'shuffled'].map((name) => this.#predictions(name))
    const differ = ['probability', '"tidemark-id"'].map((of) => `a.${of} IS DISTINCT FROM b.${of}`)
    const [[count] = []] = await this.#duckdb.rows(
      `SELECT count(*)::INTEGER FROM ${a} a FULL JOIN ${b} b USING (paymentId) WHERE ${differ.join(' OR ')}`,
    )
    this.#expect(count === 0, `${Number(count)} payments differ when they come shuffled`)
  }

  async #measured(name: string, input: string, start: () => Running): Promise<Line> {
    say(`${name} ...`)
    const rows = await this.#files.rowsIn(input)
    const running = start()
    void ending.promise.then(() => running.process.kill())
    const { seconds, cpuSeconds, peakRssBytes } = await treeUsage(running)
    return {
      name,
      rowsPerSecond: figure(rows / seconds, 0),
      seconds: figure(seconds, 1),
      cpuMicrosPerRow: figure(cpuSeconds && (cpuSeconds / rows) * 1e6, 2),
      peakRssMb: figure(peakRssBytes && peakRssBytes / 1e6, 0),
    }
  }

  #scoresBeside(theirs: string): Promise<Differences> {
    const ours = this.#predictions('batch')
    return differences(this.#duckdb, { ours, theirs, columns: ['probability'] })
  }

  #cellsBeside(theirs: string): Promise<Differences> {
    const ours = readParquet(join(this.#outputOf('rows'), 'rows/*.parquet'))
    return differences(this.#duckdb, { ours, theirs, columns: FEATURES })
  }

  #predictions(name: string): string {
    return readParquet(join(this.#outputOf(name), 'predictions/*.parquet'))
  }

  #outputOf(name: string): string {
    return join(this.#folder, name)
  }

  #expect(isRight: boolean, otherwise: string): void {
    if (isRight) return
    this.isRight = false
    say(`WRONG: ${otherwise}`)
  }
}

function tableOf(lines: readonly Line[]): string[] {
  const shown = (of: Figure) => (typeof of === 'number' ? grouped(of) : of)
  const counts = (of: Differences | undefined) => {
    const all = Object.values(of?.columns ?? {})
    const sum = (name: keyof ColumnDifferences) => all.reduce((n, each) => n + each[name], 0)
    return of === undefined ? ['', ''] : [sum('different'), sum('beyondRounding')].map(grouped)
  }
  const heading = ['', 'rows/s', 's', 'µs CPU/row', 'MB peak RSS']
  const differing = [
    'scores differ',
    '> 1e-6',
    'cells differ',
    '> 1e-6',
    'only ours',
    'only theirs',
  ]
  const cells = lines.map(({ name, rowsPerSecond, seconds, cpuMicrosPerRow, peakRssMb, ...of }) => [
    name,
    ...[rowsPerSecond, seconds, cpuMicrosPerRow, peakRssMb].map(shown),
    ...counts(of.scores),
    ...counts(of.cells),
    ...(of.scores === undefined
      ? ['', '']
      : [of.scores.onlyOurs, of.scores.onlyTheirs].map(grouped)),
  ])
  const columns = [...heading, ...differing]
  return table([columns, ...cells], { right: columns.map((_, i) => i).slice(1) })
}

async function main(flags: Flags): Promise<void> {
  await build()
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-batch-'))
  const duckdb = await DuckDb.open(folder)
  try {
    await duckdb.run(`SET memory_limit = '${MEMORY}'`)
    const bench = new BatchBench(duckdb, folder)
    await bench.measure(flags)
    console.log(tableOf(bench.lines).join('\n'))
    console.log(JSON.stringify({ events: flags.events, lines: bench.lines, machine: machine() }))
    if (!bench.isRight) process.exitCode = EXIT.failed
  } finally {
    duckdb.close()
    await rm(folder, { recursive: true })
  }
}

try {
  await new Command('bench.ts')
    .option('--events <n>', 'payments', wholeNumber, 5_000_000)
    .addOption(
      new Option('--only <names...>', 'beside batch itself').choices(CONTENDERS).default([]),
    )
    .option('--brokers <list>', 'host:port,… (default: a broker of its own)', brokerList)
    .option('--rss', 'also a file of twice the rows', false)
    .option(
      '--sort [payments]',
      `also --order time on so many payments (default: ${grouped(SORTED_EVENTS)})`,
      wholeNumber,
    )
    .action(main)
    .parseAsync()
} catch (error) {
  if (ending.signal.aborted) process.exit(EXIT.interrupted)
  console.error(error)
  process.exit(EXIT.failed)
}
ending.dispose()
