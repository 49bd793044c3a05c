import { mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { EXIT, untilSignal } from '../../src/cli/exit.ts'
import { say } from '../../src/cli/print.ts'
import { DuckDb } from '../../src/connect/files/duckdb.ts'
import { grouped } from '../../src/kernel/wording.ts'
import { build } from '../bench/build.ts'
import { wholeNumber } from '../bench/flags.ts'
import { withBrokers } from '../bench/stage.ts'
import { table } from '../bench/table.ts'
import { type Answer, Answers, Comparison } from './answers.ts'
import { answersIn, Exports, KINDS, POSITIONS } from './files.ts'
import { flights, flightsOf2013, type Input, payments } from './inputs.ts'
import { Log } from './log.ts'
import { Programs } from './programs.ts'

// Proves that all ways of working on the same events have the same answers, to the bit: a worker of
// a topic that is killed, a batch over exports of it, groups on ranges of it, and training rows.
//   npx tsx test/batch-proof/prove.ts [--events 1000000] [--year [FLIGHTS.ndjson]]
// Needs a broker as the tests do, and for --year python3 with pip. A table on stdout, progress on
// stderr. Exits 1 when anything differs.

const KEPT = join(process.env['TIDEMARK_TOOLS'] ?? join(homedir(), '.cache/tidemark'), 'batch')
const KILLS = 3
const RANGE_WORKERS = 3
/** Flags of batches over each kind of file, and the part of an output that theirs have. */
const BATCHES: readonly Batch[] = [
  { flags: ['--workers', '1'] },
  { flags: ['--workers', '2'] },
  {
    flags: ['--workers', '2', '--rows'],
    of: (value: unknown) => (value as { readonly features: unknown }).features,
  },
]
const HEADING = [
  ...['input', 'way', 's', 'outputs', 'cells', 'different'],
  ...['dead letters', 'different', 'missing', 'stray'],
]

interface Batch {
  readonly flags: readonly string[]
  readonly of?: (value: unknown) => unknown
}

interface Flags {
  readonly events: number
  readonly year?: string | true
}

const ending = untilSignal()
const programs = new Programs()
void ending.promise.then(() => programs.stop())

class Proof {
  readonly lines: string[][] = []
  isRight = true
  readonly #input: Input
  readonly #duckdb: DuckDb
  readonly #folder: string

  constructor(input: Input, duckdb: DuckDb, folder: string) {
    this.#input = input
    this.#duckdb = duckdb
    this.#folder = folder
  }

  async prove(brokers: readonly string[]): Promise<void> {
    say(`${this.#input.name} ...`)
    const log = await Log.fill({ input: this.#input, brokers, programs })
    try {
      const answers = await this.#live(log)
      await this.#ranges(log, answers)
      await this.#files(log, answers)
    } finally {
      await log.close()
    }
  }

  /** What all others are compared with must itself be complete, and have every answer once. */
  async #live(log: Log): Promise<Answers> {
    const { result, heading } = await this.#timed(`run, killed ${KILLS} times`, () =>
      log.live(KILLS),
    )
    const answers = new Answers()
    for await (const answer of log.answers(result)) answers.add(answer)
    const { output, letter, repeated } = answers
    const missing = log.answered - output.size - letter.size
    this.#tell([...heading, output.size, '', '', letter.size, '', missing, repeated])
    if (missing !== 0 || repeated > 0) this.isRight = false
    return answers
  }

  async #ranges(log: Log, answers: Answers): Promise<void> {
    const way = `2 ranges, ${RANGE_WORKERS} workers each`
    const { result, heading } = await this.#timed(way, () => log.ranges(RANGE_WORKERS))
    await this.#compare(heading, new Comparison(answers), read(log.answers(result)))
  }

  async #files(log: Log, answers: Answers): Promise<void> {
    const { topology, columns } = this.#input
    const exports = new Exports(this.#folder, this.#duckdb)
    await exports.write(log, columns)
    say(`${grouped(exports.left.length)} values are no JSON: files have no row for them`)
    const output = join(this.#folder, 'out')
    for (const kind of KINDS) {
      const format = kind === 'parquet' ? 'parquet' : 'ndjson'
      const to = ['--output', output, '--format', format, '--overwrite']
      const args = ['batch', topology, '--input', exports.path(kind), ...POSITIONS, ...to]
      for (const { flags, of } of BATCHES) {
        const { heading } = await this.#timed(['batch', kind, ...flags].join(' '), () =>
          programs.run([...args, ...flags]),
        )
        const comparison = new Comparison(answers, exports.left, of)
        await this.#compare(heading, comparison, answersIn(output, this.#duckdb))
      }
    }
  }

  async #timed<T>(way: string, work: () => Promise<T>) {
    say(`${way} ...`)
    const startMs = performance.now()
    const result = await work()
    const seconds = (performance.now() - startMs) / 1_000
    return { result, heading: [this.#input.name, way, seconds.toFixed(1)] }
  }

  async #compare(heading: readonly string[], to: Comparison, answers: AsyncIterable<Answer>) {
    for await (const answer of answers) to.take(answer)
    const { output, letter, isSame } = to
    this.#tell([
      ...heading,
      ...[output.compared, output.cells, output.different, letter.compared, letter.different],
      ...[output.missing + letter.missing, output.stray + letter.stray],
    ])
    if (!isSame) this.isRight = false
  }

  #tell(cells: readonly (string | number)[]): void {
    const line = cells.map((of) => (typeof of === 'number' ? grouped(of) : of))
    this.lines.push(line)
    say(line.join('  '))
  }
}

/** Values that are JSON, read. */
async function* read(answers: AsyncIterable<Answer>): AsyncGenerator<Answer> {
  for await (const { value, ...of } of answers) yield { ...of, value: JSON.parse(String(value)) }
}

async function main({ events, year }: Flags): Promise<void> {
  await build()
  const file = year === true ? await flightsOf2013(KEPT) : year
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-proof-'))
  const duckdb = await DuckDb.open(folder)
  try {
    const proofs = [payments(events), flights(file)].map((of) => new Proof(of, duckdb, folder))
    await withBrokers(null, async (brokers) => {
      for (const proof of proofs) await proof.prove(brokers)
    })
    const right = HEADING.map((_, i) => i).slice(2)
    console.log(table([HEADING, ...proofs.flatMap(({ lines }) => lines)], { right }).join('\n'))
    if (!proofs.every(({ isRight }) => isRight)) process.exitCode = EXIT.failed
  } finally {
    programs.stop()
    duckdb.close()
    await rm(folder, { recursive: true })
  }
}

try {
  await new Command('prove.ts')
    .option('--events <n>', 'payments', wholeNumber, 1_000_000)
    .option('--year [file]', 'the flights of all of 2013: of a file, or from PyPI')
    .action(main)
    .parseAsync()
} catch (error) {
  if (ending.signal.aborted) process.exit(EXIT.interrupted)
  console.error(error)
  process.exit(EXIT.failed)
}
ending.dispose()
