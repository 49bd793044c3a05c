// Tables for a terminal.

export interface TableShape {
  /** Columns of numbers, which end in one line. */
  readonly right: readonly number[]
}

/** Lines of equal columns, two spaces apart; the first line is the heading. */
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
