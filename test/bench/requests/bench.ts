import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import autocannon from 'autocannon'
import { Command } from 'commander'
import { say } from '../../../src/cli/print.ts'
import { type Running, startNode, startProgram, startTidemark } from '../../services/tidemark.ts'
import { build } from '../build.ts'
import { machine } from '../figures.ts'
import { wholeNumber } from '../flags.ts'
import { table } from '../table.ts'

// Requests for one score each, from as many connections as asked for, to `tidemark serve`, to FastAPI with one and with two
// workers, and to a bare `node:http` that parses and answers, one after the other on the same cores, several times.
//   python3 -m venv V && V/bin/pip install -r test/bench/requests/requirements.txt
//   npx tsx test/bench/requests/bench.ts --python V/bin/python [--connections 64] [--seconds 10] [--rounds 3]

const MODEL = 'topologies/models/card-gbdt'
const PORT = 18_080
const URL = `http://127.0.0.1:${PORT}`
/** Requests of a program are measured when it has answered for so long, s. */
const WARM_UP = 3

interface Flags {
  readonly python: string
  readonly connections: number
  readonly seconds: number
  readonly rounds: number
}

interface Measured {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  readonly failed: number
}

const [features] = (
  JSON.parse(readFileSync(`${MODEL}.golden.json`, 'utf8')) as {
    readonly inputs: readonly (readonly number[])[]
  }
).inputs as [readonly number[]]

function programs(python: string): Readonly<Record<string, () => Running>> {
  const uvicorn = (workers: number) => () =>
    startProgram(
      python,
      [
        '-m',
        'uvicorn',
        'app:app',
        '--port',
        String(PORT),
        '--workers',
        String(workers),
        '--no-access-log',
      ],
      { cwd: import.meta.dirname, env: { MODEL: join(process.cwd(), `${MODEL}.onnx`) } },
    )
  return {
    tidemark: () => startTidemark(['serve', `${MODEL}.model.ts`, '--predict-port', String(PORT)]),
    'FastAPI, 1 worker': uvicorn(1),
    'FastAPI, 2 workers': uvicorn(2),
    'node:http': () => startNode(['--import', 'tsx', import.meta.filename, '--bare']),
  }
}

async function measure(start: () => Running, { connections, seconds }: Flags): Promise<Measured> {
  if (await isAnswered()) throw new Error(`another program answers at ${URL}`)
  const running = start()
  try {
    while (!(await isAnswered())) await new Promise((resolve) => setTimeout(resolve, 100))
    const load = {
      ...({ url: `${URL}/predict`, method: 'POST', connections } as const),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ features }),
    }
    await autocannon({ ...load, duration: WARM_UP })
    const { requests, latency, errors, non2xx } = await autocannon({ ...load, duration: seconds })
    const perSecond = requests.total / seconds
    return { perSecond, p50: latency.p50, p99: latency.p99, failed: errors + non2xx }
  } finally {
    running.process.kill('SIGTERM')
    await running.ended
  }
}

function isAnswered(): Promise<boolean> {
  return fetch(`${URL}/health`)
    .then(({ ok }) => ok)
    .catch(() => false)
}

function serveBare(): void {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const sum = request.method === 'POST' ? sumOf(Buffer.concat(chunks).toString()) : 0
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ prediction: sum }))
    })
  })
  server.listen(PORT, '127.0.0.1')
  process.once('SIGTERM', () => process.exit())
}

function sumOf(text: string): number {
  const { features: given } = JSON.parse(text) as { readonly features: readonly number[] }
  return given.reduce((sum, number) => sum + number, 0)
}

async function bench(flags: Flags): Promise<void> {
  await build()
  const lines = [['program', 'requests/s', 'p50 ms', 'p99 ms', 'failed']]
  for (let round = 0; round < flags.rounds; round++) {
    for (const [name, start] of Object.entries(programs(flags.python))) {
      say(`${name} ...`)
      const { perSecond, p50, p99, failed } = await measure(start, flags)
      lines.push([
        name,
        Math.round(perSecond).toLocaleString('en'),
        String(p50),
        String(p99),
        String(failed),
      ])
    }
  }
  for (const line of table(lines, { right: [1, 2, 3, 4] })) process.stdout.write(`${line}\n`)
  process.stdout.write(`${JSON.stringify({ ...flags, machine: machine() })}\n`)
}

if (process.argv.includes('--bare')) serveBare()
else {
  await new Command()
    .requiredOption('--python <file>', 'with the packages of requirements.txt')
    .option('--connections <n>', 'open at a time', wholeNumber, 64)
    .option('--seconds <n>', 'measured of each program', wholeNumber, 10)
    .option('--rounds <n>', 'of all programs', wholeNumber, 3)
    .action(bench)
    .parseAsync()
}
