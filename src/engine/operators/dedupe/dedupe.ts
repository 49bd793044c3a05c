import { formatDuration, startOfWindow } from '../../../kernel/time.ts'
import type { DedupeStep, TumblingStep } from '../../../topology/definition.ts'
import { stepsOfKind } from '../../../topology/graph.ts'
import type { OnLate } from '../../../topology/source.ts'
import type { FlowBatch } from '../../events.ts'
import { lateError } from '../../faults.ts'
import { type ChunkRun, subjectOf } from '../../run.ts'
import type { StateUse } from '../../store/state-limits.ts'
import { isLate, isWindowClosed } from '../../watermark.ts'
import {
  checkFunction,
  type Operator,
  type OperatorContext,
  type OperatorRule,
  passOn,
  type ReadyBatches,
} from '../rule.ts'
import { EventIds, SeenIds } from './seen-ids.ts'

/** Leaves out events whose id has come before. */
export const dedupe: OperatorRule<DedupeStep> = {
  outcomes: {
    deadLetters: ['FUNCTION_THREW', 'TIME_INVALID', 'ID_INVALID', 'STATE_LIMIT'],
    late: true,
  },

  display({ name, withinMs }) {
    const within = formatDuration(withinMs)
    return {
      shape: 'step',
      label: `${name}: ${within}`,
      outline: `dedupe within ${within}`,
      exits: [{ from: '', label: 'duplicate', to: 'dropped' }],
    }
  },

  detail: ({ by, withinMs }, print) => ({ by: print(by), withinMs }),

  // An event at a window's edge may be the duplicate of one up to `within` before that edge.
  keeps: ({ withinMs }) => ({ lengthMs: withinMs, delayMs: withinMs, forEver: [] }),

  *functions({ name, by }) {
    yield { where: `${name}.by`, argument: 'event', of: by }
  },

  check({ name, by, withinMs }, { behind, results }, report) {
    if (behind !== null || results !== null) {
      const hint = 'call .dedupe on the stream of the source, before windows and models'
      const stream = behind ?? 'the results of windows'
      report(name, `duplicates among ${stream}`, { code: 'NOT_SUPPORTED', hint })
    }
    checkFunction('by', by, 'of the event', (message) => report(name, message))
    if (!(Number.isInteger(withinMs) && withinMs > 0)) {
      report(name, `within ${withinMs} ms must be a whole number above 0`)
    }
  },

  open: (step, open, context) => new Dedupe(step, open(step.then, context.input), context),
}

class Dedupe implements Operator {
  readonly states: readonly [SeenIds]
  readonly #name: string
  readonly #onLate: OnLate
  readonly #behind: readonly Operator[]
  readonly #windows: readonly TumblingStep[]
  readonly #use: StateUse
  readonly #seen: SeenIds
  readonly #ids: EventIds
  #watermarkMs = Number.NEGATIVE_INFINITY

  constructor(
    { name, by, withinMs, then }: DedupeStep,
    behind: readonly Operator[],
    { onLate, input, keys, use }: OperatorContext,
  ) {
    this.#name = name
    this.#onLate = onLate
    this.#behind = behind
    this.#windows = stepsOfKind(then, 'tumbling')
    const openMs = this.#windows.map(({ lengthMs, graceMs }) => lengthMs + graceMs)
    const retentionMs = withinMs + Math.max(0, ...openMs)
    this.#use = use
    this.#seen = new SeenIds({ withinMs, retentionMs }, { keys, use })
    this.states = [this.#seen]
    this.#ids = new EventIds(input.reader(by), this.#seen.numbers)
  }

  *process(batch: FlowBatch, run: ChunkRun): ReadyBatches {
    this.#watermarkMs = run.watermarkAfter(batch, this.#watermarkMs)
    const late: number[] = []
    const indices = batch.indices.filter((index) => {
      if (!this.#isLate(batch, index)) return this.#isFirst(batch, index, run)
      late.push(index)
      return this.#passesLate(batch, index, run)
    })
    run.late(this.#name, late)
    yield* passOn(this.#behind, { ...batch, indices }, run, late)
  }

  expire(most: number): void {
    this.#seen.expire(this.#watermarkMs, most)
  }

  /** Whether the event is behind the watermark, and too late for every window after this step. */
  #isLate({ timesMs, watermarksMs }: FlowBatch, index: number): boolean {
    const timeMs = timesMs[index] as number
    const watermarkMs = watermarksMs[index] as number
    if (!isLate(timeMs, watermarkMs)) return false
    return this.#windows.every(({ lengthMs, graceMs }) => {
      return isWindowClosed(startOfWindow(timeMs, lengthMs) + lengthMs, graceMs, watermarkMs)
    })
  }

  #passesLate(batch: FlowBatch, index: number, run: ChunkRun): boolean {
    if (this.#onLate === 'dead-letter') {
      const { timesMs, watermarksMs } = batch
      const error = lateError(timesMs[index] as number, watermarksMs[index] as number)
      run.fault(subjectOf(batch, index), this.#name, error)
    }
    return this.#onLate === 'score'
  }

  #isFirst(batch: FlowBatch, index: number, run: ChunkRun): boolean {
    const key = batch.keys[index] as number
    const timeMs = batch.timesMs[index] as number
    const unfit = this.#ids.read(batch, index)
    const id = this.#ids.number
    const isPreview = run.mode === 'preview'
    if (unfit === null && this.#seen.knows(id, timeMs, !isPreview)) {
      run.duplicates.push(index)
      return false
    }
    const error = unfit ?? this.#use.refusal(this.#seen.has(key) ? 0 : 1)
    if (error === null && !isPreview) this.#seen.begin(id, key, timeMs)
    if (error !== null) run.fault(subjectOf(batch, index), this.#name, error)
    return error === null
  }
}
