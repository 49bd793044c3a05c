import { setImmediate as nextTurn } from 'node:timers/promises'
import type { MemoryRecords } from '../connect/memory/memory-records.ts'
import type { Guarantee } from '../connect/port.ts'
import { ConditionVariable } from '../kernel/condition-variable.ts'
import { configFault } from '../kernel/errors.ts'
import { seeded } from '../kernel/random.ts'
import { DEFAULT_CONFIG } from '../runtime/config.ts'
import type { RuntimeEvent } from '../runtime/events.ts'
import type { Prepared, PreparedTopology } from '../runtime/prepared.ts'
import { startWorker, type Worker } from '../runtime/worker.ts'
import { columnNames, NO_ROWS, type Scorer } from '../scoring/scorer.ts'
import { StepScorer } from '../scoring/step-scorer.ts'
import type { ScoreStep } from '../topology/definition.ts'
import { scoreStepsOf } from '../topology/graph.ts'
import { isTrained, type ModelDefinition } from '../topology/models.ts'
import type { VirtualClock } from './virtual-clock.ts'

const GROUP = 'test'

type Processed = Extract<RuntimeEvent, { type: 'processed' }>

interface LifeOptions {
  readonly prepared: Prepared
  readonly records: MemoryRecords
  readonly clock: VirtualClock
  readonly guarantee: Guarantee
  /** Takes the outcomes of records; an unfinished commit of a crashed worker is left out. */
  readonly onProcessed: (event: Processed) => void
}

export class Life {
  readonly #o: LifeOptions
  #withholds = false
  readonly #worker: Worker
  readonly #changed = new ConditionVariable()
  /** Partition → the log end offset up to which it was read. */
  readonly #readTo = new Map<number, number>()
  readonly #restoring = new Set<number>()

  constructor(options: LifeOptions) {
    const { prepared, records, clock, guarantee } = options
    this.#o = options
    this.#worker = startWorker({
      prepared,
      records,
      group: GROUP,
      // Commits are spaced out to spare a broker; here the next one need not wait.
      config: { ...DEFAULT_CONFIG, guarantee, commitIntervalMs: 0 },
      clock,
      random: seeded(1),
      observer: (event) => this.#observe(event),
    })
  }

  /**
   * Resolves when nothing more happens until records arrive or time passes; rejects with the error
   * that ended the worker.
   */
  async settled(): Promise<void> {
    await Promise.race([this.#changed.until(() => this.#isReadToItsEnd), this.#worker.done])
    // By then, everything that the clock woke has started.
    await nextTurn()
    await this.#worker.settled()
  }

  async advance(ms: number): Promise<void> {
    const { clock } = this.#o
    const untilMs = clock.nowMs() + ms
    while (clock.step(untilMs)) await this.settled()
  }

  closeWindows(): Promise<void> {
    return this.#worker.closeWindows()
  }

  async stop(): Promise<void> {
    await this.settled()
    await this.#worker.stop()
  }

  /**
   * From here on no commit is finished. Under at-least-once the outputs are written but the offsets
   * are not; under exactly-once nothing is.
   */
  withholdCommits(): void {
    this.#withholds = true
    this.#o.records.withholdCommits()
  }

  get #isReadToItsEnd(): boolean {
    const { prepared, records } = this.#o
    const [{ definition, tables }] = prepared.topologies as [PreparedTopology]
    const isRead = (end: number, partition: number) => this.#readTo.get(partition) === end
    if (this.#restoring.size > 0 || !records.endOffsets(definition.source.topic).every(isRead)) {
      return false
    }
    return tables.every(({ table }) => {
      const { topic } = table.definition.from
      return topic === undefined || table.contents === records.endOffsets(topic).join(',')
    })
  }

  #observe(event: RuntimeEvent): void {
    if (event.type === 'processed') {
      if (!this.#withholds) this.#o.onProcessed(event)
    } else if (event.type === 'consumed' && event.records === 0) {
      this.#readTo.set(event.partition.partition, event.endOffset)
    } else if (event.type === 'restoring') {
      this.#restoring.add(event.partition.partition)
    } else if (event.type === 'restored') {
      this.#restoring.delete(event.partition.partition)
    }
    this.#changed.notifyAll()
  }
}

export function numbersTo(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number)
}

/**
 * Replaces a model: takes the features of one event and returns the model's outputs, by the names
 * that the topology reads them by.
 */
export type ModelFunction = (
  features: Readonly<Record<string, number>>,
) => Readonly<Record<string, number | Readonly<Record<string, number>>>>

/**
 * The same topology with functions in place of models, by model name.
 * @throws TidemarkError `CONFIG_INVALID`: the topology has no such model
 */
export function withModelFunctions(
  prepared: PreparedTopology,
  functions: ReadonlyMap<string, ModelFunction>,
): PreparedTopology {
  const steps = scoreStepsOf(prepared.definition.then)
  const models = steps.flatMap((step) => Object.values(step.models)).filter(isTrained)
  for (const name of functions.keys()) {
    if (models.some((model) => model.name === name)) continue
    throw configFault(`the topology has no model "${name}"`)
  }
  const replaced = (step: ScoreStep, name: string, scorer: Scorer): Scorer => {
    const model = step.models[name]
    const answer = functions.get(scorer.name)
    const isReplaced = answer !== undefined && model !== undefined && isTrained(model)
    return isReplaced ? answeredBy(answer, model, scorer) : scorer
  }
  const scorers = new Map(
    steps.map((step) => {
      const stepScorer = prepared.scorers.get(step.name) as StepScorer
      const answered = [...stepScorer.scorers].map(
        ([name, scorer]) => [name, replaced(step, name, scorer)] as const,
      )
      return [step.name, new StepScorer(stepScorer.step, new Map(answered))]
    }),
  )
  const shadows = prepared.shadows.map((shadow) => {
    return { ...shadow, scorer: replaced(shadow.step, shadow.of.model, shadow.scorer) }
  })
  return { ...prepared, scorers, shadows }
}

function answeredBy(answer: ModelFunction, model: ModelDefinition, scorer: Scorer): Scorer {
  const { features, outputs } = model
  const { name, label, sha256, evaluator, size, maxBatch, state } = scorer
  const columns = columnNames(outputs)
  return {
    ...{ name, label, sha256, evaluator, size, maxBatch, state },
    answerMs: () => 0,
    passOver: () => {},
    score: async (rows, count) => {
      const answers = numbersTo(count).map((row) => {
        const at = row * features.length
        return byColumn(
          answer(Object.fromEntries(features.map((f, i) => [f, rows[at + i] as number]))),
        )
      })
      const scores = columns.map((column) =>
        Float64Array.from(answers, (numbers) => {
          const number = numbers.get(column)
          if (number !== undefined) return number
          throw configFault(`the function for ${name} returns no number "${column}"`)
        }),
      )
      return { columns: scores, failed: NO_ROWS, lost: NO_ROWS, runMs: 0 }
    },
    close: () => scorer.close(),
  }
}

/** The numbers of an answer, by the names of columns as in `columnNames`. */
function byColumn(answer: ReturnType<ModelFunction>): ReadonlyMap<string, number> {
  const columns = Object.entries(answer).flatMap(([output, value]) =>
    typeof value === 'object' && value !== null
      ? Object.entries(value).map(([column, number]) => [`${output}.${column}`, number] as const)
      : [[output, value] as const],
  )
  return new Map(columns.filter(([, number]) => typeof number === 'number'))
}
