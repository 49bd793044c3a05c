import * as fc from 'fast-check'

// The same inputs on every run, so that no test fails by luck. TIDEMARK_TEST_SEED=<integer> looks
// elsewhere: TIDEMARK_TEST_SEED=$RANDOM npm run test:quick
const seed = Number(process.env['TIDEMARK_TEST_SEED'] ?? 1)
if (!Number.isInteger(seed)) throw new Error('TIDEMARK_TEST_SEED is an integer')

fc.configureGlobal({ seed })
