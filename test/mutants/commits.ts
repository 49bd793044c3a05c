import { type Mutant, mutantOf, type Row } from './mutant.ts'

// Mistakes in how much a commit takes, each one edit and the test that catches it.

const COMMITTER = 'test/runtime/commit/committer.test.ts'

const ROWS: readonly Row[] = [
  [
    'a commit without a bound of bytes',
    [
      'runtime/commit/commit-size.ts',
      'return this.#bytes\n  }',
      'return this.#bytes * Number.POSITIVE_INFINITY\n  }',
    ],
    ['test/runtime/commit-parts.test.ts', 'is halved, within a chunk'],
  ],
  [
    'a commit without a bound of records',
    ['runtime/commit/committer.ts', 'const MAX_RECORDS = 50_000', 'const MAX_RECORDS = 50_000_000'],
    [COMMITTER, 'takes at most 50,000 records'],
  ],
  [
    'a commit in which each partition has the room of all',
    ['runtime/commit/committer.ts', 'left.records -= records\n', ''],
    [COMMITTER, 'of all partitions together'],
  ],
]

export const COMMITS: readonly Mutant[] = ROWS.map(mutantOf)
