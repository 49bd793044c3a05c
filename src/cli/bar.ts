/** Width of the longest bar of a plot, characters. */
export const BAR_WIDTH = 24
/** A block of 0 to 7 eighths of a character. */
const PARTS_OF_BLOCK = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** A bar of a plot. @param share length relative to the longest bar, 0 to 1 */
export function bar(share: number): string {
  const eighths = Math.round(share * BAR_WIDTH * 8)
  return '█'.repeat(Math.floor(eighths / 8)) + (PARTS_OF_BLOCK[eighths % 8] ?? '')
}
