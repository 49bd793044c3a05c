/** Has an event no value there? As pandas has it: nothing, or a number that is none. */
export function isMissing(value: unknown): boolean {
  return value === null || value === undefined || Number.isNaN(value)
}
