import type { EventFunction } from '../topology/definition.ts'

/** Events, each identified by its index; an array of events is one. */
export interface Events {
  /** The event as an author's function sees it. May be created on first use. */
  at(index: number): unknown
}

/** How an author's function is evaluated on events. */
export interface Read<R> {
  /** The function's result for one event. May throw whatever the function throws. */
  of(events: Events, index: number): R
}

/** Makes a {@link Read} for a function, or for a field of the events. */
export interface Reader {
  <R>(of: EventFunction<R>): Read<R>
  /** Reads the field of this name. */
  field(name: string): Read<unknown>
}

/** Picks a field of an event; throws if that is `null` or `undefined`. */
export function picking(name: string): EventFunction<unknown> {
  return (event) => (event as Readonly<Record<string, unknown>>)[name]
}

const call = <R>(of: EventFunction<R>): Read<R> => ({
  of: (events, index) => of(events.at(index)),
})

/** A reader that calls the function with the event. */
export const called: Reader = Object.assign(call, { field: (name: string) => call(picking(name)) })
