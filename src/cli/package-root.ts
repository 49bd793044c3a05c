/** The folder of this package. Also of what is bundled: `dist/chunks` is as deep as this folder. */
export const PACKAGE = new URL('../../', import.meta.url)
