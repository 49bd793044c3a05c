import { type Mutant, mutantOf, type Row } from './mutant.ts'

// Mistakes about stores and sinks in Redis, each one edit and the test that catches it.

const ROWS: readonly Row[] = [
  [
    'a key without a row is never asked for again',
    [
      'lookup/store.ts',
      "if (ageMs < freshMs) return 'fresh'",
      "if (ageMs < freshMs || known.row === undefined) return 'fresh'",
    ],
    ['test/lookup/store.test.ts', 'includes that a key has no row, while that is fresh'],
  ],
  [
    'a row that has expired is used',
    ['lookup/store.ts', 'else if (this.#lacks(answer, eventMs)) this.#counts.expired++', ''],
    ['test/lookup/store.test.ts', 'older than the greatest age before its event is none'],
  ],
  [
    'a replay asks a store',
    [
      'engine/operators/features/feature-rows.ts',
      'open !== null && this.#tables.areStored',
      'this.#tables.areStored',
    ],
    ['test/runtime/tables/stores.test.ts', 'a replay asks nothing'],
  ],
  [
    'a sink in Redis is written after the offset',
    ['runtime/commit/outside-sinks.ts', 'await sink.write(records)', 'void sink.write(records)'],
    [
      'test/connect/redis/redis-sink.test.ts',
      'the newest value of each key is written before the commit',
    ],
  ],
]

export const STORES: readonly Mutant[] = ROWS.map(mutantOf)
