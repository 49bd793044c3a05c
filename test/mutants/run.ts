import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../src/kernel/errors.ts'
import { ROOT } from '../support/paths.ts'
import { type Mutant, mutated } from './mutant.ts'
import { MUTANTS } from './mutants.ts'

// Runs for every mutant the test that is to catch it, which must pass without the mutant and fail
// with it. npx tsx test/mutants/run.ts [NAME...]

/** Tests that several files run. */
const CONTRACTS = ['rebalancing', 'guarantee', 'starting'].map(
  (name) => `test/records/${name}-contract.ts`,
)

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

/** Why a mutant cannot be run: an edit that does not fit the sources, or a test that is not there. */
function faultsOf({ name, edits, caughtBy }: Mutant): string[] {
  const faults: string[] = []
  const check = (whether: () => void) => {
    try {
      whether()
    } catch (error) {
      faults.push(`${name}: ${messageOf(error)}`)
    }
  }
  for (const file of new Set(edits.map((edit) => edit.file))) {
    check(() => {
      const source = read(join('src', file))
      const changed = mutated(
        source,
        edits.filter((edit) => edit.file === file),
      )
      if (changed === source) throw new Error(`${file} stays the same`)
    })
  }
  check(() => {
    const { file, test } = caughtBy
    const isThere = [file, ...CONTRACTS].some((one) => read(one).includes(test))
    if (!isThere) throw new Error(`no test of ${file} is named "${test}"`)
  })
  return faults
}

function passes(file: string, test: string, mutant: string): boolean {
  const { status, stdout } = spawnSync(
    'npx',
    [
      ...['vitest', 'run', '--config', '.config/vitest.ts', '--reporter=json'],
      ...(file.startsWith('test/long/') ? ['--mode', 'long', '--project', 'long'] : []),
      ...[file, '-t', test],
    ],
    {
      cwd: ROOT,
      encoding: 'utf8',
      env: { ...process.env, TIDEMARK_MUTANT: mutant, TIDEMARK_REQUIRE_KAFKA: '1' },
      maxBuffer: 2 ** 28,
    },
  )
  const ran = /"numPassedTests":(\d+).*?"numFailedTests":(\d+)/.exec(stdout)
  if (ran === null || Number(ran[1]) + Number(ran[2]) === 0) {
    throw new Error(`no test of ${file} is named "${test}"`)
  }
  return status === 0
}

/** By file and test: several mutants are caught by the same one. */
const soundOnes = new Map<string, boolean>()

function isSound(file: string, test: string): boolean {
  const known = soundOnes.get(`${file} ${test}`)
  if (known !== undefined) return known
  const sound = passes(file, test, '')
  soundOnes.set(`${file} ${test}`, sound)
  return sound
}

const faults = MUTANTS.flatMap(faultsOf)
if (faults.length > 0) {
  process.stderr.write(`${faults.join('\n')}\n`)
  process.exit(1)
}
const names = process.argv.slice(2)
const chosen = MUTANTS.filter(({ name }) => names.length === 0 || names.includes(name))
let survivors = 0
for (const { name, caughtBy } of chosen) {
  const { file, test } = caughtBy
  const sound = isSound(file, test)
  const caught = !passes(file, test, name)
  if (!sound || !caught) survivors++
  const verdict = sound ? (caught ? 'caught' : 'NOT CAUGHT') : 'THE TEST FAILS WITHOUT IT'
  process.stdout.write(`${verdict}: ${name} — ${test}\n`)
}
process.exitCode = survivors === 0 ? 0 : 1
