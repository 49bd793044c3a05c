import { fileURLToPath } from 'node:url'
import { observeAll } from '../../observe/observer.ts'
import { openInput } from '../../records/files/lines.ts'
import type { Prepared, PreparedTopology } from '../../runtime/prepared.ts'
import { startWorker } from '../../runtime/worker.ts'
import { benchmark } from '../../scoring/benchmark.ts'
import type { Cost } from '../../scoring/runner.ts'
import { shownEvaluator } from '../../scoring/scorer.ts'
import type { ModelDefinition } from '../../topology/models.ts'
import { embeddedRecords, feedEvents, LineBook, OutcomeTally } from '../embedded.ts'
import { BATCH_MS } from '../model-evaluate.ts'
import { say, sayNotes } from '../print.ts'

// What a model and a topology take here, on one thread.

export interface ModelTimes {
  readonly name: string
  readonly file: string
  readonly computedBy: string
  /** p99 of a single row, ms. */
  readonly oneRowMs: number
  /** t(n), as the worker reckons with it. */
  readonly cost: Cost
}

export interface EventTimes {
  readonly events: number
  /** Decoding, windows, scoring and encoding, in the fastest of the rounds. */
  readonly microsPerEvent: number
}

export interface Measured {
  /** The time until models and topology were loaded. */
  readonly startMs: number
  readonly models: readonly ModelTimes[]
  /** `null`: there are no events. */
  readonly events: EventTimes | null
}

/** @throws Refused with the faults for which a worker would refuse it, but for its latency */
export async function measureModel(model: ModelDefinition): Promise<ModelTimes> {
  const options = { evaluator: 'auto', latencyBudgetMs: BATCH_MS, sizes: [1] } as const
  const { evaluator, batches, cost, notes } = await benchmark(model, options)
  sayNotes(notes)
  return {
    name: model.name,
    file: fileURLToPath(model.file),
    computedBy: shownEvaluator(evaluator),
    oneRowMs: batches[0]?.p99Ms ?? Number.NaN,
    cost,
  }
}

const GROUP = 'advise'
const PARTITIONS = 6
/** Rounds go on for so long, ms: in the first ones code is being compiled. */
const ROUNDS_MS = 1_500
const LEAST_ROUNDS = 3

/** Runs a topology over a file of events in memory, again and again. */
export async function measureEvents(prepared: Prepared, input: string): Promise<EventTimes> {
  const beginMs = performance.now()
  let fastest: EventTimes = { events: 0, microsPerEvent: Number.POSITIVE_INFINITY }
  let summary = ''
  for (let n = 0; n < LEAST_ROUNDS || performance.now() - beginMs < ROUNDS_MS; n++) {
    const { stagesMs, tally } = await round(prepared, input)
    const microsPerEvent = (stagesMs * 1_000) / tally.records
    if (microsPerEvent < fastest.microsPerEvent) fastest = { events: tally.records, microsPerEvent }
    summary = tally.summary()
  }
  say(summary)
  return fastest
}

async function round(prepared: Prepared, input: string) {
  const { definition } = prepared.topologies[0] as PreparedTopology
  const { source } = definition
  const records = embeddedRecords(definition, PARTITIONS)
  const tally = new OutcomeTally()
  let stagesMs = 0
  const observer = observeAll(tally.observer, (event) => {
    if (event.type !== 'processed') return
    const { decode = 0, windows = 0, score = 0, encode = 0 } = event.stages
    stagesMs += decode + windows + score + encode
  })
  const worker = startWorker({ prepared, records, group: GROUP, observer })
  const feed = async () => {
    const stream = await openInput(input)
    await feedEvents(stream, { source, headers: [], records, group: GROUP, book: new LineBook() })
    await records.settled(GROUP, source.topic)
    await worker.closeWindows()
  }
  try {
    await Promise.race([feed(), worker.done])
  } finally {
    await worker.stop()
    await records.close()
  }
  return { stagesMs, tally }
}
