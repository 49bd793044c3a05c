/** Lines of a table; the first column is left-aligned, the others are right-aligned. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  return rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(at(i)) : cell.padStart(at(i)))).join('  '),
  )

  function at(i: number): number {
    return widths[i] ?? 0
  }
}
