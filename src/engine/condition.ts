import type { Read, Reader } from '../columns/events.ts'
import type { WhereStep } from '../topology/definition.ts'

/**
 * The condition of a `where` step. The conditions of a branch are evaluated one by one: combined
 * they would be a function that the author has not written.
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
