import type { Memory } from '../kernel/bytes.ts'
import type { EventFunction } from '../topology/definition.ts'

/** Events by index, such as an array of them. */
export interface Events {
  /** The event as an author's function sees it. May be created on first use. */
  at(index: number): unknown
  /** The memory of an event's offsets in columns; `null`: they lack it. @default they lack all */
  memoryOf?(index: number): Memory | null
}

export interface Read<R> {
  /** May throw any error of the function. */
  of(events: Events, index: number): R
}

/** Makes a {@link Read} for a function, or for a field of the events. */
export interface Reader {
  <R>(get: EventFunction<R>): Read<R>
  field(name: string): Read<unknown>
}

/** Picks a field; the function throws on `null` or `undefined`. */
export function picking(name: string): EventFunction<unknown> {
  return (event) => (event as Readonly<Record<string, unknown>>)[name]
}

const call = <R>(get: EventFunction<R>): Read<R> => ({
  of: (events, index) => get(events.at(index)),
})

export const called: Reader = Object.assign(call, { field: (name: string) => call(picking(name)) })
