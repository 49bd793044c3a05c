import type { Observer, RuntimeEvent } from '../runtime/events.ts'

/** The events of one type, or of several. */
export type EventOf<T extends RuntimeEvent['type']> = Extract<RuntimeEvent, { type: T }>

/** An observer that handles some types of event and ignores the others. */
export function byType(
  handlers: {
    readonly [T in RuntimeEvent['type']]?: (event: EventOf<T>) => void
  },
): Observer {
  const handlerOf = handlers as Readonly<Partial<Record<string, Observer>>>
  return (event) => handlerOf[event.type]?.(event)
}
