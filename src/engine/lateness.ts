/** Is an event behind the watermark as it was when it came? Exactly at it is on time. */
export function isLate(timeMs: number, watermarkMs: number): boolean {
  return timeMs < watermarkMs
}

/** Has the watermark passed the end of a tumbling window, and its grace? */
export function isWindowClosed(endMs: number, graceMs: number, watermarkMs: number): boolean {
  return endMs + graceMs <= watermarkMs
}
