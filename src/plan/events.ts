import type { EventFunction } from '../topology/definition.ts'

/** Events, each named by its index; a list of events is one. */
export interface Events {
  /** As an author's function sees it. May be made when it is asked for first. */
  at(index: number): unknown
}

/** How an author's function is asked about events. */
export interface Read<R> {
  /** What it gives for one. May throw what the function throws. */
  of(events: Events, index: number): R
}

/** Makes a {@link Read} of a function. */
export type Reader = <R>(of: EventFunction<R>) => Read<R>

/** The function is called with the event. */
export const called: Reader = (of) => ({ of: (events, index) => of(events.at(index)) })
