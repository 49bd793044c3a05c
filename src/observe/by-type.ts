import type { Observer, RuntimeEvent } from '../runtime/events.ts'

export type EventOf<T extends RuntimeEvent['type']> = Extract<RuntimeEvent, { type: T }>

/** An observer of some types of event; the others pass by. */
export function byType(
  handlers: {
    readonly [T in RuntimeEvent['type']]?: (event: EventOf<T>) => void
  },
): Observer {
  const handlerOf = handlers as Readonly<Partial<Record<string, Observer>>>
  return (event) => handlerOf[event.type]?.(event)
}
