/**
 * Hash of the other files in this folder. Cached verdicts on tree models are valid until it
 * changes. test/house/edition.test.ts computes it.
 */
export const EDITION = 'd38f1a00b4d5'
