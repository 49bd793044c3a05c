import type { WatchedTopology } from '../../src/observe/observer.ts'
import type { RuntimeEvent } from '../../src/runtime/events.ts'

const topology = 'card-fraud'
export const partition = { topic: 'payments', partition: 3 }

const shadow = { topology, step: 'score', model: 'card-mlp' }

/** The topology whose events those below are, as it is known before them. */
export const watched: WatchedTopology = {
  topology,
  source: 'payments',
  idleAfterMs: 60_000,
  outputs: ['predictions', 'payments.dlq'],
  deadLetterTopic: 'payments.dlq',
  step: 'features',
  late: { steps: ['features'], action: 'dead-letter' },
  tumbling: ['minutes'],
  deadLetters: [{ step: 'decode', code: 'JSON_INVALID' }],
  models: [
    {
      model: 'card-gbdt',
      version: '1',
      sha256: 'abc',
      evaluator: 'trees',
      provider: '',
      bytes: 1_000_000,
      threads: 0,
    },
  ],
  routes: [
    { model: 'card-gbdt', version: '1', route: 'main', outcomes: ['scored', 'score-failed'] },
  ],
  shadows: [
    {
      step: 'score',
      model: 'card-mlp',
      version: '1',
      sha256: 'def',
      evaluator: 'onnxruntime',
      provider: 'cpu',
      bytes: 2_000_000,
      threads: 1,
    },
  ],
  tables: ['merchants'],
  stores: ['profiles'],
  latency: [{ step: 'card-gbdt', targetMs: 50, maximumMs: 100 }],
}

/** One event of each type. */
export const samples = {
  note: { type: 'note', message: 'payments does not bound its timestamps' },
  state: { type: 'state', state: 'running' },
  assigned: { type: 'assigned', topology, partition, nextOffset: 100 },
  restoring: {
    type: 'restoring',
    topology,
    partition,
    fromOffset: 40,
    nextOffset: 60,
    toOffset: 100,
    reason: null,
  },
  restored: {
    ...{ type: 'restored', topology, partition, records: 60, durationMs: 1_500 },
    ...{ watermarkMs: 1_731_700_000_000, keys: 6, bytes: 3_072 },
  },
  warming: { type: 'warming', topology, partition, reason: null },
  whole: { type: 'whole', topology, partition },
  lost: { type: 'lost', topology, partition, why: 'revoked' },
  consumed: { type: 'consumed', topology, partition, records: 10, bytes: 1_500, endOffset: 150 },
  processed: {
    type: 'processed',
    topology,
    partition,
    outcomes: { scored: 5, windowed: 0, skipped: 2, duplicate: 3, late: 2, dead: 1 },
    step: 'features',
    closed: new Map([['minutes', 3]]),
    durationMs: 9,
    stages: { decode: 1, windows: 3, wait: 0.5, score: 2, encode: 1.5 },
    watermarkMs: 1_731_700_000_500,
    nextOffset: 110,
    keys: 7,
    bytes: 4_096,
  },
  fetched: { type: 'fetched', durationMs: 80 },
  inference: {
    type: 'inference',
    topology,
    model: 'card-gbdt',
    version: '1',
    rows: 5,
    durationMs: 2,
  },
  scored: {
    type: 'scored',
    topology,
    attempts: [
      { model: 'card-gbdt', version: '1', route: 'main', outcome: 'scored', rows: 4 },
      { model: 'card-gbdt', version: '1', route: 'main', outcome: 'score-failed', rows: 1 },
    ],
    scores: Float64Array.of(0.02, 0.2, 0.97, 2, Number.NaN),
    decided: new Uint8Array(5),
    models: [{ model: 'card-gbdt', version: '1' }],
  },
  'shadow-rows': { type: 'shadow-rows', ...shadow, scored: 40, failed: 2, dropped: 5 },
  'shadow-parity': {
    ...{ type: 'shadow-parity', ...shadow, pairs: 40 },
    difference: { mean: 0.01, absoluteMean: 0.03, p1: -0.1, p5: 0, p50: 0, p95: 0.1, p99: 0.2 },
    psi: 0.04,
  },
  'shadow-outputs': { type: 'shadow-outputs', ...shadow, written: 38, dropped: 4 },
  late: { type: 'late', topology, step: 'features', action: 'dead-letter', count: 2 },
  'dead-letter': {
    type: 'dead-letter',
    topology,
    topic: 'payments.dlq',
    step: 'decode',
    code: 'JSON_INVALID',
    message: 'the value is not JSON',
    at: 'payments-3@104',
  },
  committed: {
    type: 'committed',
    outputs: [
      { topic: 'predictions', isOutput: true, records: 5, bytes: 700, endToEndMs: [40, 2_000] },
      { topic: 'payments.dlq', isOutput: false, records: 3, bytes: 90, endToEndMs: [4] },
    ],
    nextOffsets: [{ partition, nextOffset: 110 }],
    durationMs: 12,
  },
  trouble: { type: 'trouble', kind: 'unreadable', partition, reason: 'it has no leader' },
  rebalance: { type: 'rebalance', cause: 'members' },
  throttled: { type: 'throttled', of: 'writing', durationMs: 4_200 },
  'key-mismatch': {
    ...{ type: 'key-mismatch', topology: 'card-fraud', partition, events: 3, offset: 41 },
    elsewhere: { topic: 'payments', partition: 1, offset: 7 },
  },
  'table-loading': { type: 'table-loading', table: 'merchants', records: 40_000, total: 100_000 },
  'table-loaded': { type: 'table-loaded', table: 'merchants', rows: 90_000, durationMs: 2_100 },
  'table-reloaded': {
    ...{ type: 'table-reloaded', table: 'planes', rows: 3_322 },
    contents: 'sha256:0123456789abcdef',
  },
  'table-read': {
    ...{ type: 'table-read', table: 'merchants', records: 500, rows: 90_000 },
    ...{ bytes: 12_000_000, lag: 3 },
  },
  'table-row-invalid': {
    ...{ type: 'table-row-invalid', table: 'merchants', code: 'SCHEMA_INVALID' },
    ...{ message: 'risk: expected number', at: 'merchants-3@1041' },
  },
  'looked-up': { type: 'looked-up', table: 'merchants', found: 480, absent: 15, early: 5 },
  'store-read': {
    ...{ type: 'store-read', topology: 'card-fraud', store: 'profiles', found: 90, ahead: 1 },
    ...{ absent: 5, expired: 3, degraded: 1, fresh: 60, stale: 4, missed: 20 },
    ...{ rows: 900, bytes: 360_000 },
  },
  'store-asked': {
    ...{
      type: 'store-asked',
      topology: 'card-fraud',
      store: 'profiles',
      durationMs: 2.5,
      keys: 20,
    },
    ...{ invalid: 2, computed: 4, error: 'Error' },
  },
  request: {
    ...{ type: 'request', route: 'predict_topology', code: 200 },
    ...{ durationMs: 2.5, waiting: 3 },
  },
  'commit-failed': {
    type: 'commit-failed',
    code: 'COMMIT_FAILED',
    reason: 'no broker answered',
    nextAttemptMs: 500,
  },
} as const satisfies { [T in RuntimeEvent['type']]: Extract<RuntimeEvent, { type: T }> }
