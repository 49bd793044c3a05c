import type { Commit, Member, Records } from '../../src/connect/port.ts'

/**
 * Wraps `records` so that commits of its members go to `through`, which gets the `member` that
 * would have made the commit.
 */
export function committingThrough(
  records: Records,
  through: (commit: Commit, member: Member) => Promise<void>,
): Records {
  const { source, topics } = records
  return {
    topics,
    source: {
      offsets: (group, topic) => source.offsets(group, topic),
      join: async (options) => {
        const member = await source.join(options)
        return {
          commit: (commit) => through(commit, member),
          pause: (partition) => member.pause(partition),
          resume: (partition) => member.resume(partition),
          isCountedOn: () => member.isCountedOn(),
          stopFetching: () => member.stopFetching(),
          leave: () => member.leave(),
        }
      },
    },
    writer: (compressionOf) => records.writer(compressionOf),
    close: () => records.close(),
  }
}
