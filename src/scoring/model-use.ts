import type { ScoreStep } from '../topology/definition.ts'
import type { ModelDefinition } from '../topology/models.ts'

/**
 * What computes a model. `auto`: its trees, in the worker, if that returns the same bits as ONNX
 * Runtime, otherwise ONNX Runtime.
 */
export type EvaluatorChoice = 'auto' | 'onnxruntime'

/** A step that scores. */
export interface ModelUse {
  /** Name of the step; unique among the uses that are loaded together. */
  readonly step: string
  readonly model: ModelDefinition
  readonly missing: ScoreStep['missing']
  /** The longest that one batch may take, ms. */
  readonly latencyBudgetMs: number
  /**
   * Whether another model scores the rows that this one cannot. It is guarded then: a model that
   * ONNX Runtime runs is run on another thread only, and its rows are given up when it hangs.
   * @default false
   */
  readonly hasFallback?: boolean
  /**
   * Whether nothing waits for it: ONNX Runtime runs it on another thread, when nothing else needs
   * the processor, and each run may take any time.
   * @default false
   */
  readonly isBackground?: boolean
  /** Shown with a fault. @default the step's name */
  readonly where?: string
  /** Whether the start goes on without this model if it fails. @default false */
  readonly mayFail?: boolean
}
