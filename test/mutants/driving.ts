import type { Mutant } from './mutant.ts'

// Mistakes of the driver and the runtime, which exactly once must not survive.

const DRIVER = 'connect/kafka'
const TRANSACTIONS = 'test/integration/connect/transactions.test.ts'
const CONTRACT = 'test/integration/connect/contract.test.ts'
const SELF_TEST = 'test/connect/self-test.test.ts'
const PRODUCING = 'test/integration/connect/producing.test.ts'
const LEADERS = 'test/integration/connect/leaders.test.ts'

export const DRIVING: readonly Mutant[] = [
  {
    name: 'half an answer goes on over the next socket',
    edits: [
      {
        file: `${DRIVER}/client/connections.ts`,
        from: '  framerOf(connection).clear()\n',
        to: '',
      },
    ],
    caughtBy: {
      file: 'test/connect/connections.test.ts',
      test: 'half an answer that came before a connection broke',
    },
  },
  {
    name: 'self-test skips the version',
    edits: [
      {
        file: `${DRIVER}/client/self-test.ts`,
        from: 'version === LIBRARY',
        to: 'version !== null',
      },
    ],
    caughtBy: { file: SELF_TEST, test: 'another version of the library is refused' },
  },
  {
    name: 'a fetch by name, answered from another topic',
    edits: [
      { file: `${DRIVER}/client/brokers.ts`, from: "'Fetch') >= FETCH_BY_ID", to: "'Fetch') < 0" },
    ],
    caughtBy: { file: LEADERS, test: 'while it was read ends the member' },
  },
  {
    name: 'a log that was cut back is read on',
    edits: [
      {
        file: `${DRIVER}/consume/log-check.ts`,
        from: 'if (answer.epoch >= 0 && answer.endOffset >= nextOffset) return null',
        to: 'if (nextOffset >= 0) return null',
      },
    ],
    // In long: one node alone never elects a leader that lacks records.
    caughtBy: {
      file: 'test/long/three-nodes.test.ts',
      test: 'though the new leader has the offset that comes next',
    },
  },
  {
    name: 'generation -1',
    edits: [
      {
        file: `${DRIVER}/wire/produce.ts`,
        from: 'to.int32(generationId).string(memberId).string(null)',
        to: "to.int32(generationId * 0 - 1).string(memberId && '').string(null)",
      },
    ],
    caughtBy: {
      file: TRANSACTIONS,
      test: 'that the group does not know any more publishes nothing',
    },
  },
  {
    name: 'generation used before SyncGroup',
    edits: [
      {
        file: `${DRIVER}/group/membership.ts`,
        from: 'this.#isLeader = joined.leaderId === memberId',
        to: 'this.#isLeader = joined.leaderId === memberId; this.#o.early(joined)',
      },
      {
        file: `${DRIVER}/group/kafka-member.ts`,
        from: 'leaving: () => this.#closeGate(),',
        to: 'leaving: () => this.#closeGate(), early: (g) => this.#gate.open(g),',
      },
    ],
    caughtBy: {
      file: 'test/integration/connect/rebalance.test.ts',
      test: 'commits nothing while the leader assigns the partitions',
    },
  },
  {
    name: 'a resend that includes a lost partition',
    edits: [
      {
        file: `${DRIVER}/group/committing.ts`,
        from: "throw new TidemarkError('REBALANCING', 'a partition of the commit was lost')",
        to: 'return { ...next, isClaimed: true, commits: 0 } as never',
      },
    ],
    caughtBy: { file: CONTRACT, test: 'what one has lost it cannot commit' },
  },
  {
    name: 'a claim inside a transaction',
    edits: [
      {
        file: `${DRIVER}/group/committing.ts`,
        from: 'await this.#claim(owned, generation)',
        to: 'for (const one of owned) one.isClaimed = true',
      },
    ],
    caughtBy: { file: TRANSACTIONS, test: 'claimed before the first transaction, never in one' },
  },
  {
    name: 'commit before output',
    edits: [
      {
        file: `${DRIVER}/produce/transactions.ts`,
        from: 'await this.#producer.send(outgoing, sending)',
        to: 'void this.#producer.send(outgoing, sending).catch(() => {})',
      },
    ],
    caughtBy: { file: CONTRACT, test: 'over the limit of its topic' },
  },
  {
    name: 'offset + 1',
    edits: [
      {
        file: `${DRIVER}/group/committing.ts`,
        from: 'return { topic, partition, offset: nextOffset, metadata: marked }',
        to: 'return { topic, partition, offset: nextOffset + 1, metadata: marked }',
      },
    ],
    caughtBy: { file: TRANSACTIONS, test: 'when only the answer to its end was lost' },
  },
  {
    name: 'read_uncommitted restore',
    edits: [
      {
        file: `${DRIVER}/group/group-offsets.ts`,
        from: 'const offsets = await this.#fetch(wanted, true)',
        to: 'const offsets = await this.#fetch(wanted, false)',
      },
    ],
    caughtBy: { file: TRANSACTIONS, test: 'is waited for by the next owner' },
  },
  {
    name: 'sequence not advanced after a retry',
    edits: [
      {
        file: `${DRIVER}/produce/delivery.ts`,
        from: 'let left = outgoing',
        to: 'let left = outgoing; globalThis.hasRetried = false',
      },
      {
        file: `${DRIVER}/produce/delivery.ts`,
        from: 'await brokers.clock.sleep(backoff.nextMs())',
        to: 'await brokers.clock.sleep(backoff.nextMs()); globalThis.hasRetried = true',
      },
      {
        file: `${DRIVER}/produce/producer.ts`,
        from: '(sequence + to.acknowledged()) & LAST_SEQUENCE',
        to: '(sequence + (globalThis.hasRetried ? to.acknowledged() * 0 : to.acknowledged())) & LAST_SEQUENCE',
      },
    ],
    caughtBy: {
      file: TRANSACTIONS,
      test: 'records are there once, also those that come after a retry',
    },
  },
  {
    name: 'acks=1',
    edits: [
      {
        file: `${DRIVER}/wire/produce.ts`,
        from: 'const ALL_IN_SYNC_REPLICAS = -1',
        to: 'const ALL_IN_SYNC_REPLICAS = 1',
      },
    ],
    caughtBy: { file: PRODUCING, test: 'acknowledged by all replicas that are in sync' },
  },
  {
    name: 'transaction time-out of 15 min',
    edits: [
      {
        file: `${DRIVER}/produce/transactions.ts`,
        from: 'const OPEN_MS = 10_000',
        to: 'const OPEN_MS = 900_000',
      },
    ],
    caughtBy: { file: PRODUCING, test: 'may be open for 10 s' },
  },
  {
    name: 'more than the allowed produce requests in flight',
    edits: [
      {
        file: `${DRIVER}/produce/delivery.ts`,
        from: 'const REQUESTS_IN_FLIGHT = 4',
        to: 'const REQUESTS_IN_FLIGHT = 10',
      },
    ],
    caughtBy: { file: PRODUCING, test: 'no more requests than it can tell repetitions of' },
  },
  {
    name: 'a second batch is sent to a leader that may have refused the first',
    edits: [{ file: `${DRIVER}/produce/delivery.ts`, from: '!this.#o.isKnown(to)', to: 'false' }],
    caughtBy: { file: PRODUCING, test: 'takes no batch before the first' },
  },
  {
    name: 'throttle time ignored',
    edits: [
      {
        file: `${DRIVER}/client/send.ts`,
        from: 'connection.requestQueue.maybeThrottle(throttleMs)',
        to: '',
      },
    ],
    caughtBy: {
      file: 'test/integration/connect/slow.test.ts',
      test: 'before the time has passed for which the broker throttles',
    },
  },
  {
    name: 'reading what is not committed',
    edits: [
      {
        file: `${DRIVER}/wire/fetch.ts`,
        from: 'const READ_COMMITTED = 1',
        to: 'const READ_COMMITTED = 0',
      },
    ],
    caughtBy: { file: 'test/integration/connect/logs.test.ts', test: 'that overlap are left out' },
  },
  {
    name: 'foreign metadata taken for none',
    edits: [
      {
        file: `${DRIVER}/group/kafka-member.ts`,
        from: 'const assignment = { ...start, lookBackOffset, epoch: owned.epoch }',
        to: 'const assignment = { ...start, metadata: start.metadata || null, lookBackOffset, epoch: owned.epoch }',
      },
    ],
    caughtBy: { file: CONTRACT, test: 'an offset that was set by hand comes with' },
  },
  {
    name: 'compacted source unnoticed',
    edits: [
      {
        file: `${DRIVER}/group/admin.ts`,
        from: "cleanup?.includes('compact') ?? null",
        to: 'null',
      },
    ],
    caughtBy: { file: CONTRACT, test: 'whether old records of a key are removed' },
  },
  {
    name: 'limits not divided',
    edits: [
      {
        file: 'runtime/partition/tasks.ts',
        from: 'Math.floor(maxKeys / Math.max(tasks, 1))',
        to: 'maxKeys',
      },
    ],
    caughtBy: {
      file: 'test/runtime/restart.test.ts',
      test: 'is divided among its partitions',
    },
  },
  {
    name: 'former session waited for',
    edits: [
      {
        file: `${DRIVER}/group/zombie-fencing.ts`,
        from: 'removeMembers(groupId, [...failedIds, ...ids], brokers)',
        to: 'removeMembers(groupId, [], brokers)',
      },
    ],
    caughtBy: { file: TRANSACTIONS, test: 'is replaced at once by one of the same name' },
  },
  {
    name: 'namesake of another address taken out',
    edits: [
      {
        file: `${DRIVER}/group/zombie-fencing.ts`,
        from: 'holders.has(m.memberId) && m.clientHost === address',
        to: 'holders.has(m.memberId)',
      },
    ],
    caughtBy: {
      file: 'test/connect/default-name.test.ts',
      test: 'one that came from another address stays',
    },
  },
  {
    name: 'name kept by the worker that was put out',
    edits: [{ file: `${DRIVER}/group/zombie-fencing.ts`, from: 'this.#text = null\n', to: '\n' }],
    caughtBy: {
      file: 'test/connect/default-name.test.ts',
      test: 'is given up for good',
    },
  },
  {
    name: 'slot shared by workers of one machine',
    edits: [{ file: 'host/worker-name.ts', from: "if (held !== 'in use')", to: 'if (true)' }],
    caughtBy: { file: 'test/host/worker-name.test.ts', test: 'get 1, 2, 3' },
  },
  {
    name: 'records of one batch handed over without a turn between',
    edits: [
      {
        file: `${DRIVER}/consume/fetch-buffer.ts`,
        from: 'if (this.#slices.isOver) await this.#slices.turn()',
        to: '',
      },
    ],
    caughtBy: {
      file: 'test/connect/fetch-buffer.test.ts',
      test: 'with a turn of the event loop between',
    },
  },
  {
    name: 'batch past the limit skipped without a dead letter',
    edits: [
      {
        file: 'runtime/partition/task.ts',
        from: 'if (packed !== undefined) return undecodedBatch(packed)',
        to: 'void packed; void undecodedBatch',
      },
    ],
    caughtBy: {
      file: 'test/runtime/packed-batch.test.ts',
      test: 'is one dead letter with the batch',
    },
  },
  {
    name: 'a lost answer to joining taken for another of the name',
    edits: [
      {
        file: `${DRIVER}/group/zombie-fencing.ts`,
        from: 'let leftMs = this.#sessionTimeoutMs + NOTICED_MS',
        to: 'let leftMs = 0 * (this.#sessionTimeoutMs + NOTICED_MS)',
      },
    ],
    caughtBy: {
      file: 'test/integration/connect/names.test.ts',
      test: 'where the answer to its joining was lost',
    },
  },
  {
    name: 'a rebalance counts as time in which a lost member would be gone',
    edits: [
      {
        file: `${DRIVER}/group/zombie-fencing.ts`,
        from: 'if (!now.isRebalancing) leftMs',
        to: 'leftMs',
      },
    ],
    caughtBy: {
      file: 'test/integration/connect/names.test.ts',
      test: 'while the group waited for one that is dead',
    },
  },
  {
    name: 'an epoch that was only known counts as read',
    edits: [
      {
        file: `${DRIVER}/consume/fetcher.ts`,
        from: 'readEpoch: -1, checkedEpoch }',
        to: 'readEpoch: checkedEpoch, checkedEpoch }',
      },
    ],
    caughtBy: {
      file: 'test/connect/log-check.test.ts',
      test: 'is not judged by an epoch that this client happened to know',
    },
  },
  {
    name: '70 bytes kept of each poll',
    edits: [
      {
        file: 'runtime/partition/idle-clock.ts',
        from: '#isStopped = false\n',
        to: '#isStopped = false\n  readonly #life = new AbortController()\n',
      },
      {
        file: 'runtime/partition/idle-clock.ts',
        from: 'void this.#wait(this.#silence.signal)',
        to: 'void this.#wait(AbortSignal.any([this.#silence.signal, this.#life.signal]))',
      },
    ],
    caughtBy: {
      file: 'test/runtime/partition/idle-clock.test.ts',
      test: 'keeps nothing of its polls',
    },
  },
]
