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

/** Makes a {@link Read} for a function. */
export type Reader = <R>(of: EventFunction<R>) => Read<R>

/** A reader that calls the function with the event. */
export const called: Reader = (of) => ({ of: (events, index) => of(events.at(index)) })
