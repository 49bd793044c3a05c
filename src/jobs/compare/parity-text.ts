import { grouped } from '../../kernel/wording.ts'
import type { ParityResult } from '../../scoring/parity.ts'

export function describeParity(result: ParityResult): string[] {
  const { flips, psi, pairs } = result
  const { p1, p5, p50, p95, p99 } = result.quantiles
  const lines = [
    `  mean  ${signed(result.meanDifference)}, absolute ${shown(result.meanAbsoluteDifference)}`,
    `  p1 ${signed(p1)}  p5 ${signed(p5)}  p50 ${signed(p50)}  p95 ${signed(p95)}  p99 ${signed(p99)}`,
  ]
  if (flips !== null) {
    const { threshold, up, down } = flips
    const share = (((up + down) / pairs) * 100).toFixed(2)
    lines.push(`  at ${threshold}: ${grouped(up)} up, ${grouped(down)} down, ${share} %`)
  }
  if (psi) lines.push(`  PSI ${shown(psi.value)}, by chance up to ${shown(psi.byChance)}`)
  return lines
}

export function signed(x: number): string {
  return x < 0 ? `−${shown(-x)}` : `+${shown(x)}`
}

/** Three significant digits, down to a millionth. */
function shown(x: number): string {
  return String(Number(Number(x.toPrecision(3)).toFixed(6)))
}
