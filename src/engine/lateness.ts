/**
 * Is an event behind the watermark as of its arrival? An event exactly at the watermark is on time.
 */
export function isLate(timeMs: number, watermarkMs: number): boolean {
  return timeMs < watermarkMs
}

/** Has the watermark passed the end of a tumbling window plus its grace period? */
export function isWindowClosed(endMs: number, graceMs: number, watermarkMs: number): boolean {
  return endMs + graceMs <= watermarkMs
}
