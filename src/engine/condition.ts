import type { Read, Reader } from '../plan/events.ts'
import type { WhereStep } from '../topology/definition.ts'

/**
 * What a `where` step asks of an event. A branch's conditions are asked one by one: together they
 * would be a function nobody has written.
 */
export function conditionOf({ keep, branch }: WhereStep, reader: Reader): Read<boolean> {
  if (branch === undefined) return reader(keep)
  const noneOf = branch.noneOf.map((of) => reader(of))
  const is = branch.is === null ? null : reader(branch.is)
  return {
    of: (events, index) =>
      !noneOf.some((read) => read.of(events, index)) && (is === null || is.of(events, index)),
  }
}
