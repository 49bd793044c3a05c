import { type Mutant, mutantOf, type Row } from './mutant.ts'

// Mistakes in what a user is told or given, each one edit and the test that catches it.

const JSON_TEST = 'test/formats/json/json-decoder.test.ts'
const IDENTITY = 'test/formats/identity.test.ts'
const METRICS = 'test/observe/metrics.test.ts'
const GOLDEN = 'test/scoring/golden-tolerance.test.ts'
const TASK = 'test/runtime/partition/task.test.ts'
const FINGERPRINT = 'test/runtime/start/fingerprint.test.ts'
const KEYS = 'test/runtime/partition/key-watch.test.ts'
const DIRECT = 'test/runtime/output/direct-outputs.test.ts'
const MARKED = 'of late and degraded events say so, each with its reason, behind all other headers'
const TROUBLES = 'test/runtime/troubles.test.ts'
const OFFSETS = 'test/jobs/offsets.test.ts'
const SCANNED = 'test/columns/scanned-events.test.ts'

const ROWS: readonly Row[] = [
  [
    'branches one after the other',
    ['runtime/commit/output-batch.ts', 'places.sort((a, b) => a.cause - b.cause)', 'void places'],
    ['test/runtime/log-order.test.ts', 'outputs of two branches come in the order of their events'],
  ],
  [
    'a late output that is made of an object does not say so',
    ['runtime/output/outputs.ts', 'late.size > 0 && late.has(origin.index)', 'false'],
    ['test/runtime/late.test.ts', 'under a key of its own'],
  ],
  [
    'what a model has answered counts as dead',
    ['runtime/output/outcomes.ts', 'const scored = countNew(reached)', 'const scored = 0'],
    [
      'test/runtime/output/outcomes.test.ts',
      'that one model answers and another sets aside is scored',
    ],
  ],
  [
    'the scanner accepts a field twice',
    ['formats/json/walker.ts', 'if (this.#seen[id] === this.#record) return false', ''],
    ['test/formats/json/scanner.test.ts', 'has one twice and lacks another'],
  ],
  [
    'a refined schema is taken for a plain one',
    [
      'formats/json/zod-schema.ts',
      'return checks.length > 0 ? `checks of ${type}` : null',
      'return checks.length < 0 ? `checks of ${type}` : null',
    ],
    ['test/formats/json/scanner.test.ts', 'are not made of a schema that cannot be read'],
  ],
  [
    'a compiled map writes null for an absent field',
    [
      'formats/json/segments.ts',
      'if (rows.events.columns.states[cellOf(column, i, rows)] === ABSENT) return',
      'rows.events.columns.states[cellOf(column, i, rows)] ||= NULL',
    ],
    [DIRECT, 'lack the fields that their event lacks'],
  ],
  [
    'a pick gives null for an absent field',
    ['columns/scanned-events.ts', '=== 1 ? undefined : UNKNOWN', '=== 1 ? null : UNKNOWN'],
    [SCANNED, 'a function is answered as if it were called with the event'],
  ],
  [
    'what was not scanned is read from columns',
    ['columns/scanned-events.ts', '    if (memory === null) return UNKNOWN\n', ''],
    [SCANNED, 'a function is answered as if it were called with the event'],
  ],
  [
    'a field that is an object in some events is a column',
    [
      'formats/json/bound.ts',
      "type === undefined || type === 'object' ||",
      'type === undefined ||',
    ],
    [SCANNED, 'a function is answered as if it were called with the event'],
  ],
  [
    'a field of an object that only some events have is never missing',
    ['formats/json/bound.ts', 'form.isWithinOptional || rest.length > 0', 'form.isWithinOptional'],
    [DIRECT, 'is called where'],
  ],
  [
    'a row of scores is taken for its event',
    [
      'formats/json/segments.ts',
      'column * events.columns.capacity + (indices[i] as number)',
      'column * events.columns.capacity + i + 0 * indices.length',
    ],
    [DIRECT, 'that are made of objects, and so is what is set aside'],
  ],
  [
    'a late output that is written directly does not say so',
    ['runtime/output/direct-writer.ts', '?? [], origin)', '?? [], { ...origin, isLate: false })'],
    [DIRECT, MARKED],
  ],
  [
    'a length of 8,192 bytes is written in two',
    [
      'runtime/output/direct-writer.ts',
      'const shift = varintBytes(length) - LENGTH_BYTES',
      'const shift = Math.min(0, varintBytes(length) - LENGTH_BYTES)',
    ],
    [DIRECT, 'stand beside one another where a value has'],
  ],
  [
    'a header of a sink is written beside that of its record',
    ['runtime/output/outputs.ts', 'passed.filter(({ name }) => !names.has(name))', 'passed'],
    [
      'test/runtime/output/outputs.test.ts',
      'is written in place of one of the record that has its name',
    ],
  ],
  [
    'two faults of a record are two dead letters',
    [
      'runtime/output/finishing.ts',
      'const cause = fault.window ?? fault.record.offset',
      'const cause = fault',
    ],
    [TASK, 'a record with two faults is one dead letter'],
  ],
  [
    'late events are told as dead letters, whatever was done with them',
    [
      'runtime/output/finishing.ts',
      'const action = source.onLate',
      "const action = 'dead-letter' as const",
    ],
    ['test/runtime/late.test.ts', 'is told with what was done'],
  ],
  [
    'depth 31',
    ['formats/json/parse-json.ts', 'depth: 32', 'depth: 31'],
    [JSON_TEST, 'of a megabyte, of 32 levels and with 256 fields'],
  ],
  [
    '255 fields',
    ['formats/json/parse-json.ts', 'fields: 256', 'fields: 255'],
    [JSON_TEST, 'of a megabyte, of 32 levels and with 256 fields'],
  ],
  [
    'a megabyte less a byte',
    ['formats/json/parse-json.ts', 'bytes: 1024 * 1024', 'bytes: 1024 * 1024 - 1'],
    [JSON_TEST, 'of a megabyte, of 32 levels and with 256 fields'],
  ],
  [
    'seconds are taken for milliseconds',
    [
      'kernel/time.ts',
      'EARLIEST_EVENT_TIME_MS = Date.UTC(1980, 0, 1)',
      'EARLIEST_EVENT_TIME_MS = 0',
    ],
    [IDENTITY, 'in milliseconds is not'],
  ],
  [
    'the 1970s are taken for milliseconds',
    ['kernel/time.ts', 'Date.UTC(1980, 0, 1)', 'Date.UTC(1971, 0, 1)'],
    [IDENTITY, 'in milliseconds is not'],
  ],
  [
    'an empty key is a key',
    ['formats/identity.ts', "if (key === '') throw invalidKey('key returned empty text')", ''],
    [IDENTITY, 'is not '],
  ],
  [
    'golden rows may differ by a hundredth',
    ['scoring/golden.ts', 'const TOLERANCE = 1e-5', 'const TOLERANCE = 1e-2'],
    [GOLDEN, 'by a hundred-thousandth of the larger'],
  ],
  [
    'golden rows past the first 256 are not compared',
    [
      'scoring/golden.ts',
      'from < count; from += batch',
      'from < Math.min(count, 256); from += batch',
    ],
    [GOLDEN, 'every golden row is compared, however many there are'],
  ],
  [
    'golden rows are compared in batches that are not served',
    ['scoring/load-gate.ts', 'most ?? (isAlone ? 1 : Number.POSITIVE_INFINITY)', 'most ?? 4'],
    [GOLDEN, 'one by one if a row scores differently in a batch'],
  ],
  [
    'a bad row fails its whole batch',
    [
      'scoring/poison-rows.ts',
      'if (scores === null && range.to - range.from === 1) failed.add(range.from)',
      'if (scores === null) for (let row = range.from; row < range.to; row++) failed.add(row)',
    ],
    ['test/scoring/poison-rows.test.ts', 'one bad row of'],
  ],
  [
    'a failing model is run without limit',
    ['scoring/poison-rows.ts', 'Math.min(count, Math.floor(4 * Math.log2(count)))', 'count'],
    ['test/scoring/poison-rows.test.ts', 'is run no more often than allowed'],
  ],
  [
    'a model in three steps is three sessions',
    ['scoring/models.ts', '({ way }) => way', '(one) => one'],
    ['test/scoring/shared-sessions.test.ts', 'share one session'],
  ],
  [
    'a busy machine refuses a model',
    ['scoring/lanes.ts', 'const { cpu: cost, elapsed }', 'const { elapsed: cost, cpu: elapsed }'],
    ['test/scoring/warm-up.test.ts', 'causes a note and no refusal'],
  ],
  [
    'the key is no part of a fingerprint',
    ['engine/describe.ts', '      key: print(source.key),\n', "      key: '',\n"],
    [FINGERPRINT, 'a topology has another fingerprint with another one of'],
  ],
  [
    'the event time is no part of a fingerprint',
    ['engine/describe.ts', 'wordOr(eventTimeMs, print)', "''"],
    [FINGERPRINT, 'a topology has another fingerprint with another one of'],
  ],
  [
    'the watermark is no part of a fingerprint',
    [
      'engine/describe.ts',
      '      ...source,\n',
      '      ...source,\n      watermark: { lagMs: 0, idleAfterMs: null, maxAheadMs: 0 },\n',
    ],
    [FINGERPRINT, 'a topology has another fingerprint with another one of'],
  ],
  [
    'what becomes of late events is no part of a fingerprint',
    ['engine/describe.ts', '      ...source,\n', "      ...source,\n      onLate: '',\n"],
    [FINGERPRINT, 'a topology has another fingerprint with another one of'],
  ],
  [
    'the schema is no part of a fingerprint',
    ['runtime/start/fingerprint.ts', '    schemaForm(definition.source.schema),\n', ''],
    [FINGERPRINT, 'a topology has another fingerprint with another one of'],
  ],
  [
    'names of parameters are part of a fingerprint',
    [
      'topology/function-form.ts',
      "return scope.get(node['name'] as string) ?? ['free', node['name']]",
      "return ['free', node['name']]",
    ],
    [FINGERPRINT, 'and keeps it with another one of'],
  ],
  [
    'a key in two partitions is not told',
    [
      'runtime/partition/key-watch.ts',
      'return seen.partition === partition ? null : seen',
      'return null',
    ],
    [KEYS, 'when a key was seen in two partitions, with where'],
  ],
  [
    'a partitioner that nobody has named is proof',
    [
      'runtime/partition/key-watch.ts',
      "if (partitioner === null || partitioner === 'unknown') return null",
      "if (partitioner === 'unknown') return null",
    ],
    [KEYS, 'nothing is told without proof'],
  ],
  [
    'restores are not measured',
    ['observe/metric-table.ts', 'on: { restored: ({ records }) => records },', ''],
    [METRICS, 'what was read again, and windows that closed, are counted'],
  ],
  [
    'closed windows are not measured',
    [
      'observe/metric-table.ts',
      'on: { processed: ({ closed }) => [...closed].map(([step, count]) => [{ step }, count]) },',
      '',
    ],
    [METRICS, 'what was read again, and windows that closed, are counted'],
  ],
  [
    'what windows hold is told after the partition is lost',
    [
      'observe/observed-worker.ts',
      'this.#topologyOf(event).partitions.delete(partitionName(event.partition))',
      '',
    ],
    [METRICS, 'a lost partition leaves no lag, watermark or state behind'],
  ],
  [
    'no output takes any time',
    ['observe/metric-table.ts', '[{ sink }, delayMs / 1_000]', '[{ sink }, delayMs * 0]'],
    [METRICS, 'every event is counted by the names that dashboards know'],
  ],
  [
    'the lag of a partition whose end went back is taken from that of others',
    [
      'observe/observed-worker.ts',
      'Math.max(0, this.endOffset - this.nextOffset)',
      'this.endOffset - this.nextOffset',
    ],
    ['test/observe/observed-worker.test.ts', 'lags by nothing where'],
  ],
  [
    'the tenths are those of half as many scores',
    ['scoring/parity.ts', 'const REFERENCE = 1_000', 'const REFERENCE = 500'],
    ['test/scoring/parity.test.ts', 'is counted by the tenths of the first 1,000 scores'],
  ],
  [
    'workers that restore are counted, not their partitions',
    [
      'serve/health.ts',
      'sum(({ restoring }) => restoring)',
      'sum(({ restoring }) => Math.sign(restoring))',
    ],
    ['test/serve/health.test.ts', 'restore together'],
  ],
  [
    'a second signal ends it as if nothing were left',
    ['cli/exit.ts', 'exitNow(EXIT.interrupted)', 'exitNow(0)'],
    ['test/cli/exit.test.ts', 'whoever asks twice gets 130 at once'],
  ],
  [
    'a command ends without saying how much it was',
    ['cli/progress.ts', '    say(amount())\n', ''],
    ['test/cli/progress.test.ts', 'how many records, and how fast'],
  ],
  [
    'all degraded outputs of a chunk give one reason',
    ['runtime/output/direct-writer.ts', '${isLate} ${degraded}`', '${isLate}`'],
    [DIRECT, MARKED],
  ],
  [
    'a lost partition ends the troubles of other topics',
    [
      'runtime/troubles.ts',
      'partitionName(partition) === partitionName(lost)',
      'partition.partition === lost.partition',
    ],
    [TROUBLES, 'those of a partition when it is lost'],
  ],
  [
    'partitions are named in the order of letters',
    ['runtime/troubles.ts', '.toSorted(IN_ORDER.compare)', '.toSorted()'],
    [TROUBLES, 'the five lowest by name'],
  ],
  [
    'records that were read before they were deleted are a problem',
    [
      'jobs/group-status.ts',
      'committed !== null && committed < low',
      'committed !== null && committed <= low',
    ],
    ['test/jobs/group-status.test.ts', 'a group that works has no problem'],
  ],
  [
    'lag has records that were deleted',
    [
      'connect/group-member.ts',
      'Math.max(lowOffset, committed?.nextOffset ?? lowOffset)',
      'committed?.nextOffset ?? lowOffset',
    ],
    [OFFSETS, 'offsets are shown with lag'],
  ],
  [
    'a time leads to records that were deleted',
    ['jobs/offsets.ts', 'Math.max(found, offset.lowOffset)', 'found'],
    [OFFSETS, 'the plan says what retention has cut'],
  ],
  [
    'a variant scores instead of itself',
    ['runtime/start/variants.ts', "kept === null || kept === best ? ''", "kept === null ? ''"],
    ['test/runtime/start/variants.test.ts', 'goes before what the group has'],
  ],
  [
    'the first variant scores instead of none',
    ['runtime/start/variants.ts', "kept === null || kept === best ? ''", "kept === best ? ''"],
    ['test/runtime/start/variants.test.ts', 'goes before what the group has'],
  ],
  [
    'a table that is read again does not say so',
    ['observe/log-events.ts', '      loggedMs.delete(table)\n', ''],
    ['test/observe/log-events.test.ts', 'reading a table is told'],
  ],
]

export const ANSWERS: readonly Mutant[] = ROWS.map(mutantOf)
