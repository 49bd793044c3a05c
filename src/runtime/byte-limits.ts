/** Default of the largest size of one commit, bytes; a single record may lead to more. */
export const MAX_COMMIT_BYTES = 16_000_000

/** Default of the most bytes in flight between the log and a commit. */
export const MAX_IN_FLIGHT_BYTES = 256_000_000
