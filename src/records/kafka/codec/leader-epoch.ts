import { lengthOfBatch, readLeaderEpoch } from './batch-header.ts'

/**
 * Returns the leader epoch of the last whole batch in a record set; `null`: there is none.
 * @throws TidemarkError as {@link lengthOfBatch}
 */
export function lastLeaderEpoch(set: Buffer): number | null {
  let epoch: number | null = null
  for (let at = 0; at < set.length; ) {
    const length = lengthOfBatch(set, at)
    if (length === null || at + length > set.length) break
    epoch = readLeaderEpoch(set, at)
    at += length
  }
  return epoch
}
