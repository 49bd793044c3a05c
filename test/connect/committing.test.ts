import { expect, test } from 'vitest'
import {
  type CommitContext,
  CommitGate,
  ExactlyOnce,
} from '../../src/connect/kafka/group/committing.ts'
import { type GroupOffsets, withMark } from '../../src/connect/kafka/group/group-offsets.ts'
import { Positions } from '../../src/connect/kafka/group/positions.ts'
import type { Transactions } from '../../src/connect/kafka/produce/transactions.ts'
import { CODE } from '../../src/connect/kafka/wire/protocol.ts'
import { HandClock } from '../support/clocks.ts'

const GENERATION = { generationId: 1, memberId: 'm' }
const at = (partition: number) => ({ topic: 't', partition })

/** The group's offset for a partition after its first commit by that worker. */
function committedBy(transactionalId: string, partition: number) {
  const metadata = withMark({ transactionalId, memberId: 'm', number: 1 }, 'g', '')
  return [`t-${partition}`, { ...at(partition), offset: 1, metadata, code: CODE.NONE }] as const
}

test('what became of a commit is told by a partition that is still held, not by one that another has by now', async () => {
  let epoch = 0
  const positions = new Positions(() => epoch++, 'g-me')
  const { added } = positions.assign([at(0), at(1)], GENERATION)
  const clock = new HandClock(0)
  const gate = new CommitGate('g', 6_000, clock)
  gate.open(GENERATION)
  gate.confirm(clock.elapsedMs())
  const offsets = {
    commit: async () => {},
    stable: async () => {
      // While it is asked for, partition 0 goes to another worker, which commits.
      positions.assign([at(1)], { ...GENERATION, generationId: 2 })
      return new Map([committedBy('g-other', 0), committedBy('g-me', 1)])
    },
  } as unknown as GroupOffsets
  const transactions = {
    transactionalId: 'g-me',
    initialise: async () => {},
    commit: async () => 'unknown',
  } as unknown as Transactions
  const context: CommitContext = {
    ...{ group: 'g', clock, offsets, gate, positions },
    isOver: () => false,
    checkName: async () => {},
    joinAgain: () => {},
  }
  const nextOffsets = added.map((owned) => ({ ...owned, nextOffset: 1, metadata: '' }))
  const commit = { outputs: [], deadLetters: [], nextOffsets }
  await expect(new ExactlyOnce(context, transactions).commit(commit)).resolves.toBeUndefined()
})
