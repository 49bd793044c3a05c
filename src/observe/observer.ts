import { type Code, messageOf } from '../kernel/errors.ts'
import type { Observer, RuntimeEvent } from '../runtime/events.ts'

export type EventOf<T extends RuntimeEvent['type']> = Extract<RuntimeEvent, { type: T }>

export type Handlers = {
  readonly [T in RuntimeEvent['type']]?: (event: EventOf<T>) => void
}

export function byType(handlers: Handlers): Observer {
  const handlerOf = handlers as Readonly<Partial<Record<string, Observer>>>
  return (event) => handlerOf[event.type]?.(event)
}

/**
 * Calls several observers in order. One that throws harms neither the worker nor the others: its
 * first failure becomes a process warning, and it is still called for later events.
 */
export function observeAll(...observers: readonly Observer[]): Observer {
  const failed = new Set<Observer>()
  return (event) => {
    for (const observer of observers) {
      try {
        observer(event)
      } catch (thrown) {
        if (failed.has(observer)) continue
        failed.add(observer)
        process.emitWarning(`an observer failed on "${event.type}": ${messageOf(thrown)}`)
      }
    }
  }
}

export interface WatchedModel {
  readonly model: string
  /** With `+` and 8 digits of the file's hash when the operator chose the file. */
  readonly version: string
  readonly sha256: string
  /** `trees` or `onnxruntime`. */
  readonly evaluator: string
  /** The execution provider of ONNX Runtime; empty: another evaluator. */
  readonly provider: string
  /** Memory of its sessions, bytes, as estimated. */
  readonly bytes: number
  readonly threads: number
}

/** A topology as it is known before its first event, so that its series exist from the start. */
export interface WatchedTopology {
  readonly topology: string
  readonly source: string
  /** After how long without a record its partitions count as idle, ms. */
  readonly idleAfterMs: number
  readonly outputs: readonly string[]
  readonly deadLetterTopic: string
  readonly step: string
  /** Steps that detect late events, and the treatment of those events. */
  readonly late: { readonly steps: readonly string[]; readonly action: string }
  readonly tumbling: readonly string[]
  /** The reasons for which a record may be set aside, and at which step. */
  readonly deadLetters: readonly { readonly step: string; readonly code: Code }[]
  readonly models: readonly WatchedModel[]
  /** The model that scores an event, by the route, and the possible outcomes of such rows. */
  readonly routes: readonly {
    readonly model: string
    readonly version: string
    readonly route: string
    readonly outcomes: readonly string[]
  }[]
  readonly shadows: readonly (WatchedModel & { readonly step: string })[]
  readonly tables: readonly string[]
  readonly stores: readonly string[]
  /** Score steps with a latency budget: how long their predictions should and may take. */
  readonly latency: readonly {
    readonly step: string
    readonly targetMs: number
    readonly maximumMs: number
  }[]
}
