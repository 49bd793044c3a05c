import type { Commit, Member, Records } from './port.ts'

/**
 * Wraps `records` so that commits of its members go to `through`, which gets the `member` that
 * would have made the commit.
 */
export function committingThrough(
  records: Records,
  through: (commit: Commit, member: Member) => Promise<void>,
): Records {
  return {
    missingRights: (needs) => records.missingRights(needs),
    describeTopics: (names) => records.describeTopics(names),
    createTopics: (topics) => records.createTopics(topics),
    readAll: (partition) => records.readAll(partition),
    partitionOffsets: (group, topic) => records.partitionOffsets(group, topic),
    offsetsSince: (topic, timeMs) => records.offsetsSince(topic, timeMs),
    join: async (options) => {
      const member = await records.join(options)
      return {
        commit: (commit) => through(commit, member),
        pause: (partition) => member.pause(partition),
        resume: (partition) => member.resume(partition),
        isCountedOn: () => member.isCountedOn(),
        stopFetching: () => member.stopFetching(),
        leave: () => member.leave(),
      }
    },
    follow: (options) => records.follow(options),
    writer: (compressionOf) => records.writer(compressionOf),
    close: () => records.close(),
  }
}
