import { randomInt } from 'node:crypto'

// How often property tests run, and on which inputs. `npm test` has a fifth of the runs, always on
// the same inputs, so that no test fails by luck. TIDEMARK_TEST_RUNS=full, which `npm run test:long`
// sets, has all of them, on other inputs each time, and TIDEMARK_TEST_SEED=<integer> looks where it says. A property whose number
// of runs is written without `runs` always has that many.

const isFull = () => process.env['TIDEMARK_TEST_RUNS'] === 'full'

/** The runs of a property, or the least that a test counts in them, of those that `full` has. */
export function runs(full: number): number {
  return isFull() ? full : Math.ceil(full / 5)
}

/** The seed of all properties of this run of the tests; says how to have a random one again. */
export function chosenSeed(): number {
  const seed = Number(process.env['TIDEMARK_TEST_SEED'] ?? (isFull() ? randomInt(2 ** 31) : 1))
  if (!Number.isInteger(seed)) throw new Error('TIDEMARK_TEST_SEED is an integer')
  if (isFull()) {
    process.stderr.write(`Properties: TIDEMARK_TEST_RUNS=full TIDEMARK_TEST_SEED=${seed}\n`)
  }
  return seed
}
