import type { Committed, Source, TopicPartition } from './port.ts'

// The port of groups, for tools that look at them from outside.

/** A member of a group, as the group knows it. */
export interface GroupMember {
  readonly id: string
  /** The name of its worker, or what another client calls itself. */
  readonly clientId: string
  readonly host: string
  readonly partitions: readonly TopicPartition[]
}

export interface DamagedBatch {
  readonly offset: number
  readonly nextOffset: number
}

/** The groups of a log, looked at from outside. */
export interface Groups extends Pick<Source, 'offsets'> {
  /**
   * Returns the members of a group; while it is rebalancing, they have no partitions.
   * @throws TidemarkError `BROKER_UNAVAILABLE`, `AUTHENTICATION`, `AUTHORIZATION`
   */
  members(group: string): Promise<readonly GroupMember[]>
  /**
   * Sets the committed offsets of a group.
   * @throws TidemarkError `GROUP_ACTIVE`: it has members · as {@link members}
   */
  setOffsets(group: string, offsets: readonly (TopicPartition & Committed)[]): Promise<void>
  /**
   * Returns the first offset of the damaged batch at an offset within the log, and the one behind it;
   * `null`: the batch there can be decoded.
   * @throws TidemarkError as {@link members} · `BATCH_CORRUPT`: its end cannot be told
   */
  damagedBatch(at: TopicPartition & { readonly offset: number }): Promise<DamagedBatch | null>
}
