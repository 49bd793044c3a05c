import { spawnSync } from 'node:child_process'
import { relative } from 'node:path'
import { ROOT } from '../support/paths.ts'
import { faultsOf, type Mutant } from './mutant.ts'
import { MUTANTS } from './mutants.ts'

// Runs for every mutant the test that is to catch it, which must pass without the mutant and fail
// with it. npx tsx test/mutants/run.ts [NAME...]

interface Ran {
  readonly file: string
  readonly test: string
  readonly passed: boolean
}

/** The tests that mutants are caught by, run with the sources as one of them makes them. */
function run(mutants: readonly Mutant[], applied = ''): Ran[] {
  const isLong = (file: string) => file.startsWith('test/long/')
  const files = [...new Set(mutants.map(({ caughtBy }) => caughtBy.file))]
  const pattern = [...new Set(mutants.map(({ caughtBy }) => escaped(caughtBy.test)))].join('|')
  const tiers = [files.filter((file) => !isLong(file)), files.filter(isLong)]
  return tiers.flatMap((tier) => {
    if (tier.length === 0) return []
    const mode = tier.some(isLong) ? ['--mode', 'long', '--project', 'long'] : []
    const args = ['vitest', 'run', '--config', '.config/vitest.ts', '--reporter=json', ...mode]
    const { stdout } = spawnSync('npx', [...args, ...tier, '-t', pattern], {
      cwd: ROOT,
      encoding: 'utf8',
      env: { ...process.env, TIDEMARK_MUTANT: applied, TIDEMARK_REQUIRE_KAFKA: '1' },
      maxBuffer: 2 ** 28,
    })
    return ranIn(stdout)
  })
}

/** A test counts as failed where its file could not be read with the mutant. */
function ranIn(stdout: string): Ran[] {
  const { testResults } = JSON.parse(stdout.slice(stdout.indexOf('{"numTotal'))) as Report
  return testResults.flatMap(({ name, assertionResults }) => {
    const file = relative(ROOT, name)
    if (assertionResults.length === 0) return [{ file, test: '', passed: false }]
    return assertionResults
      .filter(({ status }) => status === 'passed' || status === 'failed')
      .map(({ fullName, status }) => ({ file, test: fullName, passed: status === 'passed' }))
  })
}

/** Report of vitest's JSON reporter. */
interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[]
  }[]
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

const faults = MUTANTS.flatMap(faultsOf)
if (faults.length > 0) {
  process.stderr.write(`${faults.join('\n')}\n`)
  process.exit(1)
}
const names = process.argv.slice(2)
const chosen = MUTANTS.filter(({ name }) => names.length === 0 || names.includes(name))
const without = run(chosen)
let survivors = 0
for (const mutant of chosen) {
  const { name, caughtBy } = mutant
  const isOf = ({ file, test }: Ran) => file === caughtBy.file && test.includes(caughtBy.test)
  const sound = without.filter(isOf)
  const isSound = sound.length > 0 && sound.every(({ passed }) => passed)
  const isCaught = run([mutant], name).some(({ passed }) => !passed)
  if (!isSound || !isCaught) survivors++
  const verdict = isSound ? (isCaught ? 'caught' : 'NOT CAUGHT') : 'THE TEST FAILS WITHOUT IT'
  process.stdout.write(`${verdict}: ${name} — ${caughtBy.test}\n`)
}
process.stdout.write(`${chosen.length - survivors} of ${chosen.length} caught\n`)
process.exitCode = survivors === 0 ? 0 : 1
