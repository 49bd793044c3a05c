import type { Definition, FeaturesStep, ScoreStep } from '../topology/definition.ts'
import { fieldsRead } from '../topology/function-source.ts'
import { scoreStepsOf, stepsOf } from '../topology/graph.ts'

/**
 * Notes on the routes of score steps: models that score no event, and rules that a replay may
 * decide otherwise.
 */
export function routeNotes({ name, then }: Definition): string[] {
  return [
    ...scoreStepsOf(then).flatMap(unusedModels),
    ...[...stepsOf(then)].flatMap((step) => (step.op === 'features' ? lookedUpRules(step) : [])),
  ].map((note) => `${name}: ${note}`)
}

function unusedModels({ name, ...step }: ScoreStep): string[] {
  const { models, routes, otherwise, fallback, shadows, variants } = step
  if (variants !== null) return []
  const used = new Set([
    ...routes.map(({ to }) => to),
    ...[otherwise, fallback?.to],
    ...shadows.map(({ model }) => model),
  ])
  return Object.keys(models)
    .filter((model) => !used.has(model))
    .map((model) => `model "${model}" of step "${name}" scores no event: no rule names it`)
}

/** A rule that reads a table: the log does not say what its rows were. */
function lookedUpRules({ features, then }: FeaturesStep): string[] {
  const lookedUp = features.filter(({ from }) => from === 'lookup').map((f) => f.name)
  if (lookedUp.length === 0) return []
  return scoreStepsOf(then).flatMap((score) =>
    score.routes.flatMap((route) => {
      const read = lookedUpBy(route.when, lookedUp)
      if (read === null) return []
      const place = `rule "${route.name}" of step "${score.name}"`
      return `${place} ${read}: a replay, such as after a restart, may choose another model for the same event`
    }),
  )
}

function lookedUpBy(when: ScoreStep['routes'][number]['when'], lookedUp: readonly string[]) {
  const read = when === null ? [] : fieldsRead(when, 1)
  if (read === null) return `may read ${lookedUp.join(', ')}, looked up in a table`
  const found = read.filter((field) => lookedUp.includes(field))
  return found.length === 0 ? null : `reads ${found.join(', ')}, looked up in a table`
}
