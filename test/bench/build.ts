/**
 * Builds `dist`, which the command line and scoring threads run, if it is out of date, so that no
 * measurement includes a build.
 */
export async function build(): Promise<void> {
  // Imported by URL: it is JavaScript without types.
  const file = new URL('../../src/cli/build.js', import.meta.url).href
  const { buildWhenStale } = (await import(file)) as { buildWhenStale: () => Promise<void> }
  await buildWhenStale()
}
