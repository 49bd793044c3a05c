import { randomInt } from 'node:crypto'

// How often property tests run, and on which inputs. `npm test` has a fifth of the runs, always on
// the same inputs, so that no test fails by luck. TIDEMARK_TEST_RUNS=full, which `npm run test:long`
// sets, has all of them, on other inputs each time; TIDEMARK_TEST_SEED=<integer> repeats them. A
// property whose number of runs is written without `runs` always has that many.

const isFull = () => process.env['TIDEMARK_TEST_RUNS'] === 'full'

/** The runs of a property, or the least that a test counts in them, of those that `full` has. */
export function runs(full: number): number {
  return isFull() ? full : Math.ceil(full / 5)
}

/**
 * The seed of all properties of this run of the tests. A random one is told, and kept for whoever
 * asks again.
 */
export function chosenSeed(): number {
  if (isFull() && process.env['TIDEMARK_TEST_SEED'] === undefined) {
    const random = String(randomInt(2 ** 31))
    process.env['TIDEMARK_TEST_SEED'] = random
    process.stderr.write(`Properties: TIDEMARK_TEST_RUNS=full TIDEMARK_TEST_SEED=${random}\n`)
  }
  const seed = Number(process.env['TIDEMARK_TEST_SEED'] ?? 1)
  if (!Number.isInteger(seed)) throw new Error('TIDEMARK_TEST_SEED is an integer')
  return seed
}
