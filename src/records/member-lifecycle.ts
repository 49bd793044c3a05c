import type { LifecycleTable } from '../kernel/lifecycle.ts'

/** The states of a group member, the same for every driver. */
export type MemberState = 'joining' | 'joined' | 'finishing' | 'left'

/** The allowed state changes of a group member, each with its reason. */
export const MEMBER: LifecycleTable<MemberState> = {
  first: 'joining',
  next: {
    joining: {
      joined: 'its first partitions are handed over',
      left: 'it cannot join, or was told to leave',
    },
    joined: {
      finishing: 'it fetches nothing more',
      left: 'it was told to leave, or cannot continue',
    },
    finishing: { left: 'what was taken is committed, or cannot be' },
    left: {},
  },
}
