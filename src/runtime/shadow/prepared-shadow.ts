import { messageOf, Refused } from '../../kernel/errors.ts'
import { ModelCache } from '../../scoring/model-cache.ts'
import { loadScorers } from '../../scoring/models.ts'
import { ruleScorer } from '../../scoring/rule-scorer.ts'
import type { Scorer } from '../../scoring/scorer.ts'
import {
  type Definition,
  isRule,
  type ScoreStep,
  type ShadowDefinition,
  stepsOf,
} from '../../topology/definition.ts'

/** A shadow with its model. */
export interface PreparedShadow {
  readonly step: ScoreStep
  /** Its number among the shadows of the step. */
  readonly number: number
  readonly of: ShadowDefinition
  readonly scorer: Scorer
}

/** Shadows by topology, with what an operator should know of them. */
export interface LoadedShadows {
  /** In the order of the topologies. */
  readonly byTopology: readonly (readonly PreparedShadow[])[]
  readonly notes: readonly string[]
}

/** What the operator has chosen for the models of shadows. */
interface ShadowChoices {
  /** Model name → ONNX file. */
  readonly models: ReadonlyMap<string, string>
  readonly cache?: boolean
  readonly latencyBudget?: 'none'
}

/**
 * Loads the models of all shadows, those of ONNX files each in a thread of its own. A shadow whose
 * model cannot be loaded is off: a note says why.
 */
export async function loadShadows(
  definitions: readonly Definition[],
  choices: ShadowChoices,
): Promise<LoadedShadows> {
  const notes: string[] = []
  const byTopology: PreparedShadow[][] = []
  for (const { name: topology, then } of definitions) {
    const loaded: PreparedShadow[] = []
    for (const step of stepsOf(then)) {
      if (step.op !== 'score') continue
      for (const [number, of] of step.shadows.entries()) {
        try {
          const { scorer, notes: own } = await loadShadow(step, of, choices)
          loaded.push({ step, number, of, scorer })
          notes.push(...own)
        } catch (error) {
          notes.push(`${topology}/${step.name}: shadow ${of.model} is off: ${reasonsOf(error)}`)
        }
      }
    }
    byTopology.push(loaded)
  }
  return { byTopology, notes }
}

/** @throws Refused with the faults of the model */
async function loadShadow(
  { name: step, models, features, missing, latencyBudgetMs: budgetMs }: ScoreStep,
  { model: name }: ShadowDefinition,
  { models: files, cache, latencyBudget }: ShadowChoices,
): Promise<{ scorer: Scorer; notes: readonly string[] }> {
  const model = models[name] as ScoreStep['models'][string]
  if (isRule(model)) return { scorer: ruleScorer(name, model, features), notes: [] }
  const latencyBudgetMs = latencyBudget === 'none' ? Number.POSITIVE_INFINITY : budgetMs
  // Guarded, as a model with a fallback is: if it hangs, its rows are given up.
  const use = { step, model, missing, latencyBudgetMs, hasFallback: true }
  const chosen = new Map([...files].filter(([of]) => of === model.name))
  const { scorers, faults, notes } = await loadScorers([use], chosen, {
    evaluator: 'onnxruntime',
    ...(cache === false && { cache: new ModelCache(null) }),
  })
  if (faults.length > 0) throw new Refused(faults)
  return { scorer: scorers.get(step) as Scorer, notes }
}

function reasonsOf(error: unknown): string {
  return error instanceof Refused ? error.faults.map(messageOf).join('; ') : messageOf(error)
}
