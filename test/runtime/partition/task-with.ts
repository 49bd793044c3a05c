import { ListedRecords } from '../../../src/connect/log-records.ts'
import type { Guarantee, LogRecord, TopicInfo } from '../../../src/connect/port.ts'
import type { Format } from '../../../src/formats/format.ts'
import { type Clock, wallClock } from '../../../src/kernel/clock.ts'
import { Slices } from '../../../src/kernel/slices.ts'
import type { ChunkInFlight } from '../../../src/runtime/commit/in-flight.ts'
import { workerConfig } from '../../../src/runtime/config.ts'
import { limitsOf } from '../../../src/runtime/output/topic-limits.ts'
import { AssignedPartition } from '../../../src/runtime/partition/assigned-partition.ts'
import type { Scorer } from '../../../src/scoring/scorer.ts'
import type { Definition } from '../../../src/topology/definition.ts'
import { longestWaits } from '../../support/clocks.ts'
import { HASH } from '../../support/hash.ts'
import { headerOf } from '../../support/headers.ts'
import { plainRecords } from '../../support/plain-records.ts'
import { topic } from '../hand-records.ts'
import { preparedTopology, scored, scorer, Watch } from '../support.ts'

// One partition, and a task on it.

export const turn = () => new Promise((resolve) => setImmediate(resolve))

interface Setting {
  readonly by?: Scorer
  readonly topic?: Partial<TopicInfo>
  readonly definition?: Definition
  readonly guarantee?: Guarantee
  /** Replaces that of the source's format. @default JSON's: nothing has to be waited for */
  readonly prepare?: Format['prepare']
  /** The committed offset. @default 0 */
  readonly nextOffset?: number
  /** @default the wall clock */
  readonly clock?: Clock
  /** The offset at which reading ends. @default never */
  readonly end?: number
}

/** A task of partition 3 and what it tells. */
export function taskWith({ by = scorer(), definition = scored, ...setting }: Setting = {}) {
  const watch = new Watch()
  const errors: unknown[] = []
  const pauses: string[] = []
  const { end } = setting
  let finished: () => void = () => {}
  const assignment = {
    topic: 'events',
    partition: 3,
    epoch: 1,
    nextOffset: setting.nextOffset ?? 0,
    metadata: '',
    lowOffset: 0,
    lookBackOffset: 0,
  }
  const limits = limitsOf(topic('scores', { timestampAfterMaxMs: null, ...setting.topic }))
  const topology = preparedTopology(definition, by)
  if (setting.prepare !== undefined) Object.assign(topology.format, { prepare: setting.prepare })
  const partition = new AssignedPartition([topology], assignment, {
    config: workerConfig({ guarantee: setting.guarantee ?? 'exactly-once' }),
    clock: setting.clock ?? wallClock,
    random: longestWaits,
    slices: new Slices(() => 0),
    hash: HASH,
    observer: watch.observer,
    limits: { maxKeys: 1_000, maxBytes: 1_000_000 },
    partitions: 6,
    skippedRecordsOf: () => null,
    range: end === undefined ? null : { of: () => ({ end, asked: '' }) },
    keyWatches: new Map(),
    pausable: { pause: () => pauses.push('paused'), resume: () => {} },
    topicLimits: () => limits,
    onFinished: () => finished(),
    onBytes: () => {},
    onFailed: (error) => errors.push(error),
  })
  const { inFlight } = partition
  const take = (...list: LogRecord[]) => {
    const records = new ListedRecords(list)
    const nextOffset = (list.at(-1)?.offset ?? -1) + 1
    partition.process({
      topic: 'events',
      partition: 3,
      epoch: 1,
      records,
      nextOffset,
      endOffset: 99,
    })
  }
  /** The chunks that could be committed now. */
  const room = { bytes: Number.POSITIVE_INFINITY, records: Number.POSITIVE_INFINITY }
  const done = () => inFlight.gather(room, 1).from.map((f) => wholeOf(f.chunk))
  /** Until so many chunks are finished. */
  const closed = async (count: number) => {
    while (done().length < count) {
      await new Promise<void>((resolve) => {
        finished = resolve
      })
    }
    return done()
  }
  /** All that came of one chunk. */
  const all = async (...records: LogRecord[]) => {
    take(...records)
    const [chunk] = await closed(1)
    const { outputs = [], deadLetters = [] } = chunk ?? {}
    const codes = deadLetters.map((d) => headerOf(d, 'tidemark.code'))
    return { outputs, deadLetters, codes, outcomes: watch.of('processed')[0]?.outcomes }
  }
  return { partition, inFlight, take, done, closed, all, watch, errors, pauses }
}

function wholeOf({ batches, nextOffset }: ChunkInFlight) {
  return {
    outputs: batches.flatMap((b) => plainRecords(b.outputs.records)),
    deadLetters: batches.flatMap((b) => plainRecords(b.deadLetters.records)),
    nextOffset,
  }
}
