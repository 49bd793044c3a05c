/**
 * The URL of a file in this folder that is the entry of a thread or process. Neither can run
 * TypeScript, so when this runs from source the URL is that of the built file.
 */
export function builtEntry(name: string): URL {
  const folder = import.meta.url.endsWith('.ts') ? '../../dist/scoring/' : '../scoring/'
  return new URL(`${folder}${name}.js`, import.meta.url)
}
