/**
 * Brings `dist` up to date, which the command line and scoring threads run: a build is no part of
 * any figure.
 */
export async function build(): Promise<void> {
  // By its address: this is JavaScript without types.
  const file = new URL('../../src/cli/build.js', import.meta.url).href
  const { buildWhenStale } = (await import(file)) as { buildWhenStale: () => Promise<void> }
  await buildWhenStale()
}
