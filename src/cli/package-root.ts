/** The folder of this package, also for bundled code: `dist/chunks` is as deep as this folder. */
export const PACKAGE = new URL('../../', import.meta.url)
