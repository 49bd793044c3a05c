// Formats tables for a terminal.

/** How columns are aligned. */
export interface TableShape {
  /** Indices of the right-aligned columns. */
  readonly right: readonly number[]
}

/** Aligns columns, two spaces apart; the first line is the heading. */
export function table(lines: readonly (readonly string[])[], { right }: TableShape): string[] {
  const widths = (lines[0] ?? []).map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  )
  return lines.map((line) =>
    line
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return right.includes(column) ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd(),
  )
}
