import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { modelFile } from '../measurements.ts'

// W1 in other tools: programs in Python, each a process of its own that reads the payments and
// writes the features and the score of each.

/** By name, the program. */
const PROGRAMS = { pandas: 'pandas-rolling.py', spark: 'spark.py', duckdb: 'duckdb-windows.py' }

export type Peer = keyof typeof PROGRAMS

export const PEERS = Object.keys(PROGRAMS) as readonly Peer[]

/** A Python with what the programs need; it is made once and kept in the folder. */
export async function pythonIn(folder: string): Promise<string> {
  const requirements = join(import.meta.dirname, 'requirements.txt')
  const hash = createHash('sha256').update(await readFile(requirements))
  const home = join(folder, `python-${hash.digest('hex').slice(0, 8)}`)
  const python = join(home, 'bin/python')
  if (existsSync(python)) return python
  const run = promisify(execFile)
  const begun = `${home}.new`
  await rm(begun, { recursive: true, force: true })
  await run('python3', ['-m', 'venv', begun])
  await run(join(begun, 'bin/python'), ['-m', 'pip', 'install', '--quiet', '-r', requirements])
  await rename(begun, home)
  return python
}

/** The arguments of Python for a peer. @param output its file, or its folder */
export function peerArguments(peer: Peer, payments: string, output: string): string[] {
  return [join(import.meta.dirname, PROGRAMS[peer]), payments, modelFile('card-gbdt'), output]
}
