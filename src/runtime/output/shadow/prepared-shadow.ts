import { faultsOf, messageOf, refuseIfAny } from '../../../kernel/errors.ts'
import { ModelCache } from '../../../scoring/model-cache.ts'
import { loadScorers } from '../../../scoring/models.ts'
import { ruleScorer } from '../../../scoring/rule-scorer.ts'
import type { Scorer } from '../../../scoring/scorer.ts'
import type { Definition, ScoreStep, ShadowDefinition } from '../../../topology/definition.ts'
import { scoreStepsOf } from '../../../topology/graph.ts'
import { isRule } from '../../../topology/models.ts'
import type { WorkerConfig } from '../../config.ts'
import type { PreparedShadow } from '../../prepared.ts'

interface ShadowChoices
  extends Pick<WorkerConfig, 'models' | 'providers' | 'cache' | 'maxModelBytes'> {
  /** Memory that the deciding models take, bytes. */
  readonly takenBytes: number
}

/**
 * Loads the models of all shadows, those of ONNX files each in a thread of its own. A shadow whose
 * model cannot be loaded is off, and a note says why.
 */
export async function loadShadows(definitions: readonly Definition[], choices: ShadowChoices) {
  const notes: string[] = []
  const byTopology: PreparedShadow[][] = []
  let { takenBytes } = choices
  for (const { name: topology, then } of definitions) {
    const loaded: PreparedShadow[] = []
    for (const step of scoreStepsOf(then)) {
      for (const [number, shadow] of step.shadows.entries()) {
        try {
          const found = await loadShadow(step, shadow, { ...choices, takenBytes })
          takenBytes += found.bytes
          loaded.push({ step, number, of: shadow, scorer: found.scorer })
          notes.push(...found.notes)
        } catch (error) {
          const why = faultsOf(error).map(messageOf).join('; ')
          notes.push(`${topology}/${step.name}: shadow ${shadow.model} is off: ${why}`)
        }
      }
    }
    byTopology.push(loaded)
  }
  return { byTopology, notes }
}

async function loadShadow(
  { name: step, models, features, missing, latencyBudgetMs }: ScoreStep,
  { model: name }: ShadowDefinition,
  { models: files, providers, cache, maxModelBytes, takenBytes }: ShadowChoices,
) {
  const model = models[name] as ScoreStep['models'][string]
  if (isRule(model)) return { scorer: ruleScorer(name, model, features), notes: [], bytes: 0 }
  const use = { step, model, missing, latencyBudgetMs, isBackground: true }
  const chosen = new Map(Object.entries(files).filter(([modelName]) => modelName === model.name))
  const { scorers, faults, notes, bytes } = await loadScorers([use], chosen, {
    evaluator: 'onnxruntime',
    providers,
    takenBytes,
    ...(maxModelBytes !== null && { maxBytes: maxModelBytes }),
    ...(!cache && { cache: new ModelCache(null) }),
  })
  refuseIfAny(faults)
  return { scorer: scorers.get(step) as Scorer, notes, bytes }
}
