/** Is a value missing? As in pandas: null, undefined or NaN. */
export function isMissing(value: unknown): boolean {
  return value === null || value === undefined || Number.isNaN(value)
}
