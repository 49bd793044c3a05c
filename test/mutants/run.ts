import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { MUTANTS } from './mutants.ts'

// Runs for every mutant the test that is to catch it, which must pass without the mutant and fail
// with it. npx tsx test/mutants/run.ts [NAME...]

const ROOT = join(import.meta.dirname, '../..')

function passes(file: string, test: string, mutant: string): boolean {
  const { status, stdout } = spawnSync(
    'npx',
    ['vitest', 'run', '--config', '.config/vitest.ts', '--reporter=json', file, '-t', test],
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
