import { type Mutant, mutantOf, type Row } from './mutant.ts'

// Mistakes in what decides which model scores an event, each one edit and the test that catches it.

const SHARES = 'test/kernel/shares.test.ts'
const ORACLE = [
  'test/golden/several-models.test.ts',
  'gives every line the score, model and route that the oracle gives it',
] as const

const ROWS: readonly Row[] = [
  [
    'a share has other keys than its formula says',
    ['kernel/shares.ts', '< this.#least', '>= SHARES - this.#least'],
    [SHARES, 'a share has the keys that Kafka’s clients would put in the first of 10,000'],
  ],
  [
    'every share has the same keys',
    ['kernel/shares.ts', '`${name}/`', "name && 'share/'"],
    [SHARES, 'shares of two names have each other’s keys as often as any'],
  ],
  [
    'the last rule that holds decides',
    [
      'engine/operators/routes.ts',
      'for (let r = 0; r < this.#rules.length; r++)',
      'for (let r = this.#rules.length - 1; r >= 0; r--)',
    ],
    ['test/topologies/card-segments.test.ts', 'tier comes before device'],
  ],
  [
    'a rule with a condition has every key',
    [
      'engine/operators/routes.ts',
      'if (share === null ||',
      'if (share === null || holds !== null ||',
    ],
    ORACLE,
  ],
  [
    'a model gets the first columns of a row',
    ['scoring/step-models.ts', '=> step.features.indexOf(feature)', '=> taken.indexOf(feature)'],
    ORACLE,
  ],
  [
    'the rows of a model are scored as the first ones of the batch',
    ['scoring/step-answer.ts', 'to[chosen[i] as number] = from[i]', 'to[i] = from[i]'],
    ORACLE,
  ],
  [
    'a model is not asked for a single row that it can answer in time',
    ['scoring/step-scorer.ts', 'if (most > 0) return', 'if (most > 1) return'],
    ['test/scoring/step-scorer.test.ts', 'scores what would wait longer'],
  ],
]

export const ROUTES: readonly Mutant[] = ROWS.map(mutantOf)
