const MOST_EDITS = 2
const LEAST_PART = 3
const MOST_SUGGESTED = 3

/**
 * A hint for a setting that does not exist: `did you mean a or b?`, or all known names. Case,
 * `TIDEMARK_`, "-" and "_" are ignored.
 */
export function suggestName(name: string, known: readonly string[]): string {
  const near = known
    .map((candidate) => ({ candidate, edits: editsBetween(bare(name), bare(candidate)) }))
    .sort((a, b) => a.edits - b.edits)
  const nearest = near[0]?.edits ?? 0
  const typos = near.filter((n) => n.edits === nearest && isTypo(n.candidate, n.edits))
  const parts = near.filter((n) => isPart(name, n.candidate))
  const likely = (typos.length > 0 ? typos : parts.slice(0, MOST_SUGGESTED)).map((n) => n.candidate)
  return likely.length === 0
    ? `known settings: ${known.join(', ')}`
    : `did you mean ${likely.join(' or ')}?`
}

function bare(name: string): string {
  return name.toLowerCase().replace(/^tidemark|[-_]/g, '')
}

function isTypo(candidate: string, edits: number): boolean {
  return edits <= Math.min(MOST_EDITS, bare(candidate).length / 2)
}

/** One name contains the other: `password` for `sasl-password`, `kafka-brokers` for `brokers`. */
function isPart(name: string, candidate: string): boolean {
  const [short = '', long = ''] = [bare(name), bare(candidate)].sort((a, b) => a.length - b.length)
  return short.length >= LEAST_PART && long.includes(short)
}

/** Number of letters to insert, delete or replace (Levenshtein distance). */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (const [i, letter] of a.split('').entries()) {
    const next = [i + 1]
    for (const [j, other] of b.split('').entries()) {
      const changed = (row[j] as number) + (letter === other ? 0 : 1)
      next.push(Math.min(changed, (row[j + 1] as number) + 1, (next[j] as number) + 1))
    }
    row = next
  }
  return row.at(-1) as number
}
