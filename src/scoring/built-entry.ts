/**
 * A file of this folder that a thread or a process starts with. Neither can run TypeScript: from
 * source, the built one is taken.
 */
export function builtEntry(name: string): URL {
  const folder = import.meta.url.endsWith('.ts') ? '../../dist/scoring/' : '../scoring/'
  return new URL(`${folder}${name}.js`, import.meta.url)
}
