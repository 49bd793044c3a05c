import { called } from '../../../columns/events.ts'
import { knownScored, type ScoredBy } from '../../../formats/json/known-values.ts'
import { TidemarkError } from '../../../kernel/errors.ts'
import type { ScoreStep } from '../../../topology/definition.ts'
import { fieldsRead } from '../../../topology/function-source.ts'
import { isEligible, rankedVariants, type Variant } from '../../../topology/graph.ts'
import {
  accuracyFault,
  isRule,
  isTrained,
  type ModelDefinition,
  measureOf,
  outputsOf,
  type RuleDefinition,
  type ScoringModel,
} from '../../../topology/models.ts'
import { REUSE } from '../../../topology/reuse.ts'
import { LATENCY_LIMITS } from '../../../topology/score-options.ts'
import type {
  FeatureMatrix,
  FlowBatch,
  ModelBatch,
  Passed,
  ShadowRows,
  StepScores,
} from '../../events.ts'
import { ChunkRun, subjectOf } from '../../run.ts'
import { checkRoutes, isRouteName, NAME_HINT } from '../routes.ts'
import type {
  DisplayEdge,
  DisplayExit,
  DisplayPart,
  OpenSteps,
  Operator,
  OperatorContext,
  OperatorRule,
  Print,
  ReadyBatches,
  ReportFault,
} from '../rule.ts'
import { checkTaken, ModelRows } from './model-rows.ts'
import { checkReuse, functionsOfReuse, type ReusedBatch, reuseDetail, ScoreReuse } from './reuse.ts'
import { ScoredEvents, ScoreReader } from './scored-events.ts'
import { checkShadows, shadowChoice } from './shadow-branches.ts'

const USES = Object.keys(LATENCY_LIMITS).join(', ')

/**
 * Runs the model that the rules choose. The features step before it writes its rows; its output
 * goes to the next steps when the model has returned.
 */
export const score: OperatorRule<ScoreStep> = {
  outcomes: { deadLetters: ['SCORE_NOT_FINITE', 'SCORE_FAILED'] },

  display(step) {
    const outline = Object.entries(step.models).map(labelOf).join(' | ')
    const only = onlyModelOf(step)
    return only === null
      ? {
          ...displayOfSeveral(step),
          ...{ shape: 'choice', label: step.name, outline },
          ...(step.reuse && { looksUp: [step.reuse.table] }),
        }
      : { shape: 'model', label: outline, outline, exits: [notFiniteFrom('')] }
  },

  detail: (step, print) => ({
    ...modelsDetail(step, print),
    missing: step.missing,
    ...(step.carry && { carry: step.carry }),
    latencyBudgetMs: step.latencyBudgetMs,
    ...(step.latency && { latency: step.latency }),
  }),

  *functions(step) {
    yield* functionsOfReuse(step)
    const { name, models, routes } = step
    for (const [model, scorer] of Object.entries(models)) {
      if (isRule(scorer)) yield { where: `${name}.${model}`, argument: 'features', of: scorer.of }
    }
    for (const { name: route, when } of routes) {
      const needsEvent = when !== null && fieldsRead(when, 0) === null
      const argument = needsEvent ? 'event' : 'features'
      yield { where: `${name}.${route}`, argument, of: when }
    }
  },

  check(step, place, report) {
    const { name, latencyBudgetMs: budget } = step
    if (Number.isNaN(budget)) report(name, `latencyBudget must be a time or one of ${USES}`)
    else if (!(budget > 0)) report(name, `latencyBudget ${budget} must be more than 0`)
    checkTaken(step, place, report)
    checkModels(step, report)
    checkAccuracies(step, report)
    checkRules(step, report)
    checkLabels(step, report)
    checkRoutes(step, report)
    checkShadows(step, report)
    checkVariants(step, report)
    checkReuse(step, place, report)
  },

  notes: unusedModels,

  placeAfter: (_, place) => ({
    ...place,
    behind: 'scores',
    features: [],
    events: place.events === 'featured' ? 'scored' : 'made',
  }),

  open: (step, open, context) => new Score(step, openParts(step, open, context)),
}

function openParts(step: ScoreStep, open: OpenSteps, context: OperatorContext) {
  const { input, scoring } = context
  if (input.features === null) {
    throw new TidemarkError('INVARIANT', `step "${step.name}" (score) follows no features step`)
  }
  const models = scoring(step)
  const { shape } = input
  const eventOf = (decision: number) => {
    return knownScored(shape?.eventOf(0) ?? NOTHING_KNOWN, step, models.by[decision] as ScoredBy)
  }
  const output = {
    reader: called,
    // Facts about a reused score differ from row to row.
    shape: step.reuse || shape?.expression !== null ? null : { eventOf, expression: null },
    features: null,
  }
  const behind = open(step.then, output)
  const rows = new ModelRows(step, input.features, context)
  const shadows = shadowChoice(step, context.keys)
  const reader = new ScoreReader(step, models.by)
  /** `null`: every event is scored by a model. */
  const reuse = step.reuse && new ScoreReuse(step, step.reuse, context)
  return { models, behind, rows, shadows, reader, reuse }
}

class Score implements Operator {
  readonly #step: ScoreStep
  readonly #parts: ReturnType<typeof openParts>

  constructor(step: ScoreStep, parts: ReturnType<typeof openParts>) {
    this.#step = step
    this.#parts = parts
  }

  process(input: FlowBatch, run: ChunkRun): ReadyBatches {
    const { models, rows, shadows, reader, reuse } = this.#parts
    const { step } = input.features as FeatureMatrix
    const fault = (index: number, error: TidemarkError) => {
      run.fault(subjectOf(input, index), step, error)
    }
    const split = reuse?.split(input, fault) ?? null
    for (const reused of split?.reused ?? []) this.#reuse(input, reused, run)
    if (split?.live.length === 0) return []
    const batch = split === null ? input : { ...input, indices: split.live }
    const taken = rows.make(batch, fault)
    const { indices } = taken
    const shadowRows = shadows(indices, batch.keys)
    const ask = () => models.score({ ...taken.rows, count: indices.length })
    this.#send({ ...batch, indices }, { ...taken.rows, ask, reader, shadowRows }, run)
    return []
  }

  /** Events of one batch that no model scores go on as a batch of their own. */
  #reuse(batch: FlowBatch, { indices, model: label, columns, reused }: ReusedBatch, run: ChunkRun) {
    const { models, rows } = this.#parts
    const by = { label, route: REUSE }
    const decided = new Uint8Array(indices.length)
    const scores: StepScores = { columns, decided, faults: new Map(), runMs: 0 }
    const reader = new ScoreReader(this.#step, [by], reused)
    const ask = async () => {
      models.reused(columns[0] as Float64Array)
      return scores
    }
    const answer = { ask, reader, shadowRows: () => [], reused: { scores, by } }
    this.#send({ ...batch, indices }, { ...rows.unscored(batch, indices), ...answer }, run)
  }

  /** Hands a batch to those who ask for its scores. */
  #send(batch: FlowBatch, { reader, shadowRows, ...taken }: Sent, run: ChunkRun): void {
    const { indices, windows, events, late, degraded, timesMs, features } = batch
    const scored = (scores: StepScores) => {
      const foundRows = features?.foundRows ?? null
      return { indices, events, model: taken, foundRows, scores }
    }
    const model: ModelBatch = { ...taken, read: (row, scores) => reader.read(row, scored(scores)) }
    const pass = (scores: StepScores | null): Passed => {
      if (scores === null) throw new TidemarkError('INVARIANT', 'a batch was not scored')
      const passed = this.#pass(batch, scores, new ScoredEvents(reader, scored(scores)))
      return { ...passed, shadows: shadowRows(model.rows, scores) }
    }
    run.ready({ step: this.#step, indices, windows, events, late, degraded, timesMs, model, pass })
  }

  /** Passes scored events through the steps behind, which keep no state. */
  #pass(batch: FlowBatch, { faults }: StepScores, events: ScoredEvents): Passed {
    const { behind } = this.#parts
    const run = new ChunkRun('live')
    const { indices } = batch
    for (const [row, error] of faults) {
      run.fault(subjectOf(batch, indices[row] as number), this.#step.name, error)
    }
    const scored = faults.size === 0 ? indices : indices.filter((_, row) => !faults.has(row))
    const passed = { ...batch, indices: scored, events, source: events, features: null }
    for (const operator of behind) void Array.from(operator.process(passed, run))
    return {
      sinks: run.takeReady().flatMap((ready) => ready.pass(null).sinks),
      columns: events.columns,
      faultOf: (index) => run.faultOf(subjectOf(batch, index)),
    }
  }
}

interface Sent extends Omit<ModelBatch, 'read'> {
  readonly reader: ScoreReader
  readonly shadowRows: (rows: Float32Array, scores: StepScores) => readonly ShadowRows[]
}

const NOTHING_KNOWN = { is: 'object', fields: {}, isWhole: false } as const

/** A step with one model is described by that model alone. */
function modelsDetail(step: ScoreStep, print: Print): Readonly<Record<string, unknown>> {
  const { models, features, routes, otherwise, fallback, shadows, variants, reuse } = step
  const only = onlyModelOf(step)
  if (only !== null) return modelDetail(only, print)
  return {
    features,
    models: Object.fromEntries(
      Object.entries(models).map((named) => [named[0], modelDetail(named, print)]),
    ),
    ...(routes.length > 0 && {
      routes: routes.map((route) => ({ ...route, when: route.when && print(route.when) })),
    }),
    ...(variants === null ? { otherwise } : { variants }),
    ...(fallback && { fallback }),
    ...(shadows.length > 0 && { shadows }),
    ...(reuse && { reuse: reuseDetail(reuse, print) }),
  }
}

function modelDetail(named: NamedModel, print: Print): Readonly<Record<string, unknown>> {
  const label = labelOf(named)
  const [, model] = named
  if (isRule(model)) return { model: label, rule: print(model.of), outputs: model.outputs }
  const { sha256, features, outputs } = model
  return { model: label, sha256, features, outputs }
}

type NamedModel = readonly [name: string, model: ScoringModel]

/** The model of a step that has one and nothing to choose; `null`: it has several, or a rule. */
function onlyModelOf({ models, otherwise, reuse }: ScoreStep): NamedModel | null {
  const [only, ...others] = Object.entries(models)
  if (only === undefined || others.length > 0 || reuse !== null) return null
  return only[0] === otherwise && !isRule(only[1]) ? only : null
}

/** Its declared name, `card-gbdt@2`. */
function labelOf([name, model]: NamedModel): string {
  return `${isRule(model) ? name : model.name}@${model.version}`
}

function displayOfSeveral(step: ScoreStep) {
  const { models, routes, otherwise, fallback, shadows, variants, reuse } = step
  const idOf = (name: string) => `Model${Object.keys(models).indexOf(name) + 1}`
  const routed = routes.map(({ to }) => to)
  const others = variants === null ? [otherwise] : Object.keys(models)
  const last = [...new Set([...routed, ...others, ...(fallback ? [fallback.to] : [])])].map(idOf)
  const parts = Object.entries(models).map((named): DisplayPart => {
    const [name] = named
    const label = labelOf(named)
    return { id: idOf(name), shape: 'model', label: label === name ? name : `${name}: ${label}` }
  })
  const edges: DisplayEdge[] = routes.map(({ name, to, share }) => {
    const label = share === null ? `"${name}"` : `"${name}: ${percentOf(share)}"`
    return { from: '', to: idOf(to), label }
  })
  const label = variants === null ? 'otherwise' : 'variant'
  edges.push(...others.map((name) => ({ from: '', to: idOf(name), label })))
  if (fallback !== null) {
    const { to } = fallback
    const first = new Set(variants === null ? [...routed, otherwise] : routed)
    first.delete(to)
    for (const name of first) {
      edges.push({ from: idOf(name), to: idOf(to), label: 'fallback', isDashed: true })
    }
  }
  if (reuse !== null) {
    parts.push({ id: 'Reuse', shape: 'step', label: `scores of ${reuse.table}` })
    edges.push({ from: '', to: 'Reuse', label: `"${REUSE}"` })
  }
  for (const [i, { model, sink, share }] of shadows.entries()) {
    const to = idOf(model)
    edges.push({ from: '', to, label: `"shadow: ${percentOf(share)}"`, isDashed: true })
    if (sink === null) continue
    const id = `Shadow${i + 1}`
    parts.push({ id, shape: 'topic', label: sink.topic })
    edges.push({ from: to, to: id, isDashed: true })
  }
  const ends = reuse === null ? last : [...last, 'Reuse']
  const exits = (fallback ? [idOf(fallback.to)] : last).map(notFiniteFrom)
  return { parts, edges, last: ends, exits }
}

function percentOf(share: number): string {
  return `${Math.round(share * 1e4) / 100} %`
}

function notFiniteFrom(from: string): DisplayExit {
  return { from, label: 'not finite', to: 'deadLetters' }
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

function checkModels({ name, models, outputs, ...step }: ScoreStep, report: ReportFault): void {
  const names = Object.keys(models)
  if (names.length === 0) {
    const isPlain = step.variants === null
    return report(name, isPlain ? 'models must name at least one' : 'variants must be models')
  }
  // An event without a rule has its model's name as route.
  for (const bad of names.filter((each) => !isRouteName(each))) {
    report(name, `a model cannot be named ${JSON.stringify(bad)}`, { hint: NAME_HINT })
  }
  const checkNamed = (role: string, model: string) => {
    if (Object.hasOwn(models, model)) return
    report(name, `${role} "${model}" is none of the models: ${names.join(', ')}`)
  }
  checkNamed('otherwise', step.otherwise)
  const to = step.fallback?.to
  if (to !== undefined) checkNamed('fallback', to)
  for (const route of step.routes) checkNamed(`${route.name}:`, route.to)
  if (to === step.otherwise && step.routes.every((route) => route.to === to)) {
    report(name, `fallback "${to}" is the model that scores every event already`)
  }
  for (const { model } of step.shadows) checkNamed('shadow', model)
  if (Object.keys(outputs).length > 0) return
  const all = names.map((each) => {
    const outputNames = Object.keys(outputsOf(models[each] as ScoringModel))
    return `${each} has ${outputNames.join(', ') || 'none'}`
  })
  report(name, `its models have no output in common: ${all.join('; ')}`)
}

function checkAccuracies({ name, models }: ScoreStep, report: ReportFault): void {
  for (const model of Object.values(models).filter(isTrained)) {
    if (model.accuracy === undefined) continue
    const fault = accuracyFault(model.accuracy)
    if (fault !== null) report(name, `${model.name}@${model.version}: ${fault}`)
  }
}

/** A rule is pure, so that it may be called with a made-up row. */
function checkRules({ name, models }: ScoreStep, report: ReportFault): void {
  for (const [model, scorer] of Object.entries(models)) {
    if (!isRule(scorer)) continue
    const answer = answerOf(scorer)
    if (answer === null) continue
    const odd = scorer.outputs.filter((output) => typeof answer[output] !== 'number')
    if (odd.length > 0) {
      report(`${name}.${model}`, `the rule must return numbers: ${odd.join(', ')} is none`)
    }
  }
}

/** A rule's answer to a row of ones; `null`: it throws. */
function answerOf({ of: rule }: RuleDefinition): Readonly<Record<string, unknown>> | null {
  try {
    const answer: unknown = rule(new Proxy({}, { get: () => 1 }))
    return (answer ?? {}) as Readonly<Record<string, unknown>>
  } catch {
    return null
  }
}

/** Outputs, metrics and caches tell models apart by name and version. */
function checkLabels({ name, models }: ScoreStep, report: ReportFault): void {
  const files = new Map<string, string>()
  for (const model of Object.values(models).filter(isTrained)) {
    const label = `${model.name}@${model.version}`
    const file = files.get(label) ?? model.file.href
    files.set(label, file)
    if (file !== model.file.href) report(name, `two models with different files are ${label}`)
  }
}

function checkVariants(step: ScoreStep, report: ReportFault): void {
  const { name, variants, models } = step
  if (variants === null) return
  const { names, minAccuracy } = variants
  for (const twice of new Set(names.filter((each, i) => names.indexOf(each) < i))) {
    report(name, `two variants are named "${twice}"`, { hint: 'outputs say which one scored them' })
  }
  const unstated = names.filter((each) => (models[each] as ModelDefinition).accuracy === undefined)
  if (unstated.length > 0) {
    const hint = 'write the line that `tidemark model evaluate` prints into their definitions'
    report(name, `these variants do not state their accuracy: ${unstated.join(', ')}`, { hint })
  }
  const ranked = rankedVariants(step)
  const measures = [...new Set(ranked.map(({ accuracy }) => measureOf(accuracy).measure))]
  if (measures.length > 1) {
    report(name, `its variants state different measures of accuracy: ${measures.join(', ')}`)
  } else if (minAccuracy !== null && !Number.isFinite(minAccuracy)) {
    report(name, `minAccuracy must be a finite number, got ${minAccuracy}`)
  } else if (ranked.length > 0 && !ranked.some((variant) => isEligible(variant, step))) {
    const [best] = ranked as [Variant, ...Variant[]]
    const { measure, value } = measureOf(best.accuracy)
    const message = `no variant meets minAccuracy ${minAccuracy}: the best, ${best.name}, has ${measure} ${value}`
    report(name, message)
  }
}
