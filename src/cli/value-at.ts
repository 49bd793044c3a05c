/** What is at a path, such as `score.probability`, in parsed JSON; undefined: nothing. */
export function valueAt(json: unknown, path: string): unknown {
  let at = json
  for (const name of path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
    at = (at as Readonly<Record<string, unknown>>)[name]
  }
  return at
}
