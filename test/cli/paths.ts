import { fileURLToPath } from 'node:url'

/** This package's root. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** How long a test that starts processes may take, ms. */
export const PROCESS_TEST_MS = 60_000
