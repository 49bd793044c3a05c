/** Scoring threads and the command line run what is built. */
export async function setup(): Promise<void> {
  const file = new URL('../src/cli/build.js', import.meta.url).href
  const { buildWhenStale } = (await import(file)) as { buildWhenStale: () => Promise<void> }
  await buildWhenStale()
}
