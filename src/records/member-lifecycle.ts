import type { LifecycleTable } from '../kernel/lifecycle.ts'

/** What a member of a group goes through, whatever its driver. */
export type MemberState = 'joining' | 'joined' | 'finishing' | 'left'

export const MEMBER: LifecycleTable<MemberState> = {
  first: 'joining',
  next: {
    joining: {
      joined: 'its first partitions are handed over',
      left: 'it cannot join, or is not to any more',
    },
    joined: {
      finishing: 'it fetches nothing more',
      left: 'it is told to leave, or cannot go on',
    },
    finishing: { left: 'what was taken is committed, or cannot be' },
    left: {},
  },
}
