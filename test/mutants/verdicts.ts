import { mutantOf, type Row } from './mutant.ts'

// Mistakes with records whose schema is unknown, and with what is written down about them.

const UNKNOWN = 'test/runtime/unknown-schema.test.ts'
const MISSING = 'test/formats/registry/missing-schemas.test.ts'
const CHECKPOINT = 'test/runtime/commit/checkpoint-topic.test.ts'
const SET_BACK = 'an operator who sets the offset back has the records before it as they were'

const ROWS: readonly Row[] = [
  [
    'replay asks the registry again',
    [
      'runtime/partition/schema-wait.ts',
      "mode === 'replay' ? (skippedRecords?.kept(records) ?? records) : records",
      'records',
    ],
    [UNKNOWN, 'a replay refuses what was refused'],
  ],
  [
    'replay gives up too',
    ['runtime/partition/schema-wait.ts', "mayGiveUp: mode === 'live'", 'mayGiveUp: true'],
    [UNKNOWN, 'a replay that meets an unknown id of which nothing is written down waits'],
  ],
  [
    'verdicts in force beyond the committed offset',
    [
      'runtime/commit/skipped-records.ts',
      'rangesBefore(unknown, assignment.nextOffset)',
      'unknown',
    ],
    [UNKNOWN, SET_BACK],
  ],
  [
    'outdated verdicts not corrected',
    ['runtime/commit/skipped-records.ts', 'this.#outdated.push(block)', 'this.#outdated.push()'],
    [UNKNOWN, SET_BACK],
  ],
  [
    'verdicts of another topic in force',
    ['runtime/commit/skipped-records.ts', 'topicId !== ownId', 'false'],
    [UNKNOWN, 'what is written of a topic that was made again'],
  ],
  [
    'a block forgets what was written of it before',
    [
      'runtime/commit/skipped-records.ts',
      'if (unknown.length > 0) this.#unknown.set(block, unknown)',
      '',
    ],
    [UNKNOWN, 'what was given up before a restart stays written'],
  ],
  [
    'other answers of the registry count',
    [
      'formats/registry/schemas.ts',
      'this.#missing.set(id, { ...before, sinceMs: null })',
      'this.#missing.set(id, before)',
    ],
    [MISSING, 'any other answer begins the 10 s anew'],
  ],
  [
    'a proxy answers for the registry',
    ['registry/confluent-registry.ts', 'String(code).startsWith(String(status))', 'code !== 404'],
    ['test/registry/confluent-registry.test.ts', 'only the code of the registry itself says'],
  ],
  [
    'an open transaction is not waited for',
    [
      'connect/kafka/consume/partition-reads.ts',
      'fetched.highWatermark',
      'fetched.lastStableOffset',
    ],
    [
      'test/integration/connect/read-all.test.ts',
      'an open transaction is waited for, but not forever',
    ],
  ],
  [
    'verdicts are written to a topic that is not compacted',
    ['runtime/commit/checkpoint-topic.ts', 'isCompacted === false || isTrimmed', 'isTrimmed'],
    [CHECKPOINT, 'is refused'],
  ],
  [
    'verdicts are written to a topic that deletes them by age',
    ['runtime/commit/checkpoint-topic.ts', ' || isTrimmed === true', ''],
    [CHECKPOINT, 'is refused'],
  ],
  [
    'the topic of verdicts is not looked at',
    ['runtime/start/cluster-check.ts', 'checkpointFaults(topic, source)', '[]'],
    [CHECKPOINT, 'refuses one that does not fit'],
  ],
]

export const VERDICTS = ROWS.map(mutantOf)
