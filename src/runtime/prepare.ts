import { Refused, TidemarkError } from '../kernel/errors.ts'
import { loadTables } from '../lookup/tables.ts'
import { loadScorers, type ModelUse } from '../scoring/models.ts'
import type { Scorer } from '../scoring/scorer.ts'
import {
  type Definition,
  outputTopics,
  type ScoreStep,
  stepsOf,
  withMaxAhead,
  withTopics,
} from '../topology/definition.ts'
import type { Lookup } from '../topology/lookup.ts'
import { validateTopology } from '../topology/validate.ts'
import { definitionHash } from './provenance.ts'

// Everything that is checked before anything is consumed. Reads files, needs no broker.

export interface PreparedTopology {
  /** With the topics that are really read and written. */
  readonly definition: Definition
  /** What outputs carry as `tidemark-by`: a short hash over the topology and its models. */
  readonly by: string
  /** By the name of the score step. */
  readonly scorers: ReadonlyMap<string, Scorer>
  readonly lookup: Lookup
}

export interface Prepared {
  readonly topologies: readonly PreparedTopology[]
  /** What the reader should know, though it stops nothing. */
  readonly notes: readonly string[]
  /** Frees the models. */
  close(): Promise<void>
}

/** What the operator chose in place of what the author wrote. */
export interface Choices {
  /** Model name → ONNX file. */
  readonly models: ReadonlyMap<string, string>
  /** Logical topic → the topic to use. */
  readonly topics: ReadonlyMap<string, string>
  /** Switches the future guard off. @default the author's */
  readonly maxAhead?: 'none'
}

/**
 * Makes topologies ready to run.
 *
 * @throws Refused with every fault of every topology, table and model
 */
export async function prepare(
  definitions: readonly Definition[],
  choices: Choices,
): Promise<Prepared> {
  // A model is known by its topology's name: of two of one name, which are refused below, the first is loaded.
  const distinct = definitions.filter(
    ({ name }, i) => definitions.findIndex((d) => d.name === name) === i,
  )
  const models = await loadScorers(distinct.flatMap(modelUses), choices.models)
  const tables = await Promise.all(definitions.map(loadTables))
  const chosen = definitions.map((definition) => withChoices(definition, choices))
  const faults = [
    ...chosen.flatMap(validateTopology),
    ...checkTogether(chosen),
    ...unknownTopics(definitions, choices),
    ...models.faults,
    ...tables.flatMap((t) => t.faults),
  ]
  const close = async () => {
    await Promise.all([...models.scorers.values()].map((scorer) => scorer.close()))
  }
  if (faults.length > 0) {
    await close()
    throw new Refused(faults)
  }
  const topologies = definitions.map((definition, i): PreparedTopology => {
    const scorers = new Map(
      scoreSteps(definition).map((step) => [
        step.name,
        models.scorers.get(useName(definition, step)) as Scorer,
      ]),
    )
    const lookup = tables[i]?.lookup as Lookup
    const by = definitionHash(definition, scorers)
    return { definition: chosen[i] as Definition, by, scorers, lookup }
  })
  return { topologies, notes: models.notes, close }
}

function withChoices(definition: Definition, { topics, maxAhead }: Choices): Definition {
  const renamed = withTopics(definition, topics)
  return maxAhead === undefined ? renamed : withMaxAhead(renamed, maxAhead)
}

function scoreSteps(definition: Definition): ScoreStep[] {
  return [...stepsOf(definition.then)].filter((s) => s.op === 'score')
}

function useName(definition: Definition, step: ScoreStep): string {
  return `${definition.name}/${step.name}`
}

function modelUses(definition: Definition): ModelUse[] {
  return scoreSteps(definition).map((step) => ({
    step: useName(definition, step),
    model: step.model,
    missing: step.missing,
    latencyBudgetMs: step.latencyBudgetMs,
  }))
}

/** What only shows when all topologies are looked at together, over the topics that they really read. */
function checkTogether(definitions: readonly Definition[]): TidemarkError[] {
  const faults: TidemarkError[] = []
  const names = new Set<string>()
  const sources = new Map<string, string>()
  for (const { name, source } of definitions) {
    if (names.has(name)) {
      faults.push(new TidemarkError('TOPOLOGY_INVALID', `two topologies are named "${name}"`))
    }
    names.add(name)
    const other = sources.get(source.topic)
    if (other !== undefined) {
      const what = `"${other}" and "${name}" both read "${source.topic}"`
      const hint = 'a group keeps one offset per partition: run them in two groups'
      faults.push(new TidemarkError('NOT_SUPPORTED', what, { hint }))
    }
    sources.set(source.topic, name)
  }
  return faults
}

function unknownTopics(definitions: readonly Definition[], { topics }: Choices): TidemarkError[] {
  const known = new Set(definitions.flatMap((d) => [d.source.topic, ...outputTopics(d)]))
  const hint = `it may be one of: ${[...known].join(', ')}`
  return [...topics.keys()]
    .filter((logical) => !known.has(logical))
    .map((logical) => {
      return new TidemarkError('CONFIG_INVALID', `no topology has a topic "${logical}"`, { hint })
    })
}
