/** The most that one commit may have, but for what one record makes, unless told otherwise. */
export const MAX_COMMIT_BYTES = 16_000_000

/** What may be on its way between the log and a commit, unless told otherwise. */
export const MAX_IN_FLIGHT_BYTES = 256_000_000
