import type { Definition, FeaturesStep, ScoreStep } from '../topology/definition.ts'
import { stepsOf } from '../topology/definition.ts'
import { fieldsRead } from '../topology/fields-read.ts'

/**
 * Notes on the rules that a replay may decide otherwise, since they read a table: the log does not
 * say what its rows were.
 */
export function routeNotes({ name, then }: Definition): string[] {
  return [...stepsOf(then)].flatMap((step) => {
    if (step.op !== 'features') return []
    const lookedUp = step.features.filter(({ from }) => from === 'lookup').map((f) => f.name)
    if (lookedUp.length === 0) return []
    return scoreSteps(step).flatMap((score) =>
      score.routes.flatMap((route) => {
        const read = lookedUpBy(route.when, lookedUp)
        if (read === null) return []
        const place = `${name}: rule "${route.name}" of step "${score.name}"`
        return `${place} ${read}: a replay, such as after a restart, may choose another model for the same event`
      }),
    )
  })
}

function scoreSteps({ then }: FeaturesStep): ScoreStep[] {
  return [...stepsOf(then)].filter((step) => step.op === 'score')
}

function lookedUpBy(when: ScoreStep['routes'][number]['when'], lookedUp: readonly string[]) {
  const read = when === null ? [] : fieldsRead(when, 1)
  if (read === null) return `may read ${lookedUp.join(', ')}, looked up in a table`
  const found = read.filter((field) => lookedUp.includes(field))
  return found.length === 0 ? null : `reads ${found.join(', ')}, looked up in a table`
}
