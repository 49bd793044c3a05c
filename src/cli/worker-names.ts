import { NO_NAME } from '../host/worker-name.ts'

/** The name of one of several workers, `<name>-<worker>`. @param worker its number, from 1 */
export function numberedName(name: string, worker: number): string {
  return name === NO_NAME ? name : `${name}-${worker}`
}

/** `4: scorer-1 to scorer-4`; only the number if the names are not known in advance. */
export function numberedNames(name: string | null, workers: number): string {
  if (name === null) return String(workers)
  if (name === NO_NAME) return `${workers}, without names`
  return `${workers}: ${numberedName(name, 1)} to ${numberedName(name, workers)}`
}
