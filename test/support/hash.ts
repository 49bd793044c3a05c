import { KeyedHash } from '../../src/kernel/bytes.ts'

/** The secret is known, so that tests repeat. */
export const HASH = new KeyedHash([0x2b7e1516, 0x28aed2a6, 0x3bf71588, 0x09cf4f3c])
