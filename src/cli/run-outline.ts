import { groupOf } from '../host/host-worker.ts'
import { type Prepared, scorersOf } from '../runtime/prepare.ts'
import { type Scorer, shownEvaluator, shownSize } from '../scoring/scorer.ts'
import type { RunOutline } from './banner.ts'
import { summaryOf, variantLines } from './outline.ts'

/** The outline of a run, for the banner. @param group as configured; `null`: the default */
export function outlineOf(prepared: Prepared, group: string | null): RunOutline {
  return {
    group: groupOf(group, prepared),
    topologies: prepared.topologies.map((topology) => ({
      summary: summaryOf(topology),
      models: scorersOf(topology).map(modelLine),
      shadows: topology.shadows.map(({ scorer }) => modelLine(scorer)),
      by: topology.by,
    })),
    variants: variantLines(prepared.variants),
    notes: prepared.notes,
  }
}

function modelLine({ label, sha256, evaluator, size }: Scorer): string {
  return `${label}  sha256 ${sha256.slice(0, 12)}…  by ${shownEvaluator(evaluator)}${shownSize(size)}`
}
