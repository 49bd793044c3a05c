import { fileURLToPath } from 'node:url'

/** This package's root. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url))
