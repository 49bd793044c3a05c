import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { Command } from 'commander'
import { millis, rule } from 'tidemark'
import { endProcess } from '../../src/cli/exit.ts'
import { loadScorers } from '../../src/scoring/models.ts'
import { ruleScorer } from '../../src/scoring/rule-scorer.ts'
import type { Scorer } from '../../src/scoring/scorer.ts'
import { StepScorer } from '../../src/scoring/step-scorer.ts'
import type { ScoreStep } from '../../src/topology/definition.ts'
import type { ModelDefinition, RuleDefinition } from '../../src/topology/models.ts'
import { scoreFields } from '../../src/topology/score-builder.ts'
import { CARD_FEATURES, cardModel, goldenOf, useOf } from '../scoring/support.ts'
import { figure, machine } from './figures.ts'

// Four models that go bad, each in a step with a fallback: one that hangs, one whose thread dies,
// one that throws on 1 row in 64, and one that gives NaN. Rows come at a steady pace; each must be
// answered within twice the latency budget and 50 ms, and say why. One JSON line on stdout. npx tsx
// test/bench/bad-models.ts [--minutes 10]

const BUDGET_MS = 50
const MOST_MS = 2 * BUDGET_MS + 50
const EVERY_MS = 5
const MOST_ROWS = 8
/** It does not return in the life of the process: see make.py. */
const FOR_EVER = 1.5e6

const spare = rule({ outputs: ['score'] }, () => ({ score: 0.5 }))

/** A model that goes bad. */
interface Bad {
  readonly tensor: string
  readonly file: string
  readonly features: readonly string[]
  /** @default none */
  readonly golden?: URL
  /** The first number of a row, by its number; all others are 1. */
  readonly first: (n: number) => number
  /** Makes it go bad, when a tenth of the time is over. @default it is bad from the start */
  readonly spoil?: (step: Step) => Promise<void>
  readonly routes: readonly string[]
}

interface Step {
  readonly scorer: StepScorer
  readonly thread: Worker
}

const TWO = ['first', 'second']

const BAD: Readonly<Record<string, Bad>> = {
  hangs: {
    file: 'hangs',
    tensor: 'score',
    features: TWO,
    first: (n) => n % 100,
    spoil: async ({ scorer }) => {
      await scorer.score({ rows: Float32Array.of(FOR_EVER, 1), count: 1 })
    },
    routes: ['main', 'fallback:model-hung'],
  },
  ends: {
    file: 'hangs',
    tensor: 'score',
    features: TWO,
    first: (n) => n % 100,
    spoil: async ({ thread }) => {
      void thread.terminate()
      await once(thread, 'exit')
    },
    routes: ['main', 'fallback:model-ended'],
  },
  throws: {
    file: 'card-cents',
    tensor: 'probability',
    features: CARD_FEATURES,
    golden: goldenOf('card-cents'),
    first: (n) => (n % 64) / 100,
    routes: ['main', 'fallback:score-failed'],
  },
  'is NaN': {
    file: 'every-type',
    tensor: 'f32',
    features: TWO,
    first: (n) => (n % 64 === 63 ? Number.NaN : 1),
    routes: ['main', 'fallback:score-not-finite'],
  },
}

async function stepOf({ file, tensor, features, golden }: Bad): Promise<Step> {
  const outputs = { score: { tensor, column: 0 } }
  const model: ModelDefinition = cardModel(file, {
    ...{ features, outputs },
    ...(golden && { golden }),
  })
  const given = { models: { main: model, spare }, otherwise: 'main', fallback: 'spare' }
  const o = { missing: 'nan', latencyBudget: millis(BUDGET_MS) } as const
  const { named, ...fields } = scoreFields(given as never, o, features)
  const step: ScoreStep = { ...fields, name: named, then: [] }
  const threads: Worker[] = []
  const onThread = (worker: Worker) => void threads.push(worker)
  process.on('worker', onThread)
  const use = useOf(model, { latencyBudgetMs: BUDGET_MS, hasFallback: true, missing: 'nan' })
  const { scorers, faults } = await loadScorers([use], new Map(), { evaluator: 'onnxruntime' })
  process.off('worker', onThread)
  if (faults.length > 0) throw new AggregateError(faults)
  const fallback = ruleScorer('spare', spare as unknown as RuleDefinition, features)
  const both = new Map([
    ['main', scorers.get('score') as Scorer],
    ['spare', fallback],
  ])
  return { scorer: new StepScorer(step, both), thread: threads.at(-1) as Worker }
}

/** The outcomes of the rows of one model. */
class Told {
  longestMs = 0
  late = 0
  rows = 0
  dead = 0
  readonly byRoute = new Map<string, number>()

  async ask(scorer: StepScorer, rows: readonly (readonly number[])[]): Promise<void> {
    const startMs = performance.now()
    const answer = await scorer.score({ rows: Float32Array.from(rows.flat()), count: rows.length })
    const tookMs = performance.now() - startMs
    this.longestMs = Math.max(this.longestMs, tookMs)
    if (tookMs > MOST_MS) this.late += rows.length
    this.rows += rows.length
    this.dead += answer.faults.size
    for (const row of rows.keys()) {
      const route = scorer.decisions[answer.decided[row] as number]?.route ?? ''
      this.byRoute.set(route, (this.byRoute.get(route) ?? 0) + 1)
    }
  }
}

async function runOf(bad: Bad, step: Step, endMs: number): Promise<Told> {
  const told = new Told()
  const ones = bad.features.slice(1).map(() => 1)
  const asked: Promise<void>[] = []
  const spoilMs = performance.now() + (endMs - performance.now()) / 10
  let isSpoilt = bad.spoil === undefined
  for (let n = 0; performance.now() < endMs; ) {
    if (!isSpoilt && performance.now() > spoilMs) {
      isSpoilt = true
      asked.push(bad.spoil?.(step) ?? Promise.resolve())
    }
    const count = 1 + (n % MOST_ROWS)
    const rows = Array.from({ length: count }, (_, i) => [bad.first(n + i), ...ones])
    n += count
    asked.push(told.ask(step.scorer, rows))
    if (asked.length > 1_000) await Promise.all(asked.splice(0, 900))
    await sleep(EVERY_MS)
  }
  await Promise.all(asked)
  return told
}

const { minutes } = new Command()
  .option('--minutes <n>', 'how long it runs', Number, 10)
  .parse()
  .opts<{ minutes: number }>()
const steps: [Bad, Step][] = []
// One after the other: each is to know its own thread.
for (const bad of Object.values(BAD)) steps.push([bad, await stepOf(bad)])
const endMs = performance.now() + minutes * 60_000
const memory: number[] = []
const watching = setInterval(() => void memory.push(process.memoryUsage().rss / 2 ** 20), 5_000)
const told = await Promise.all(steps.map(([bad, step]) => runOf(bad, step, endMs)))
clearInterval(watching)
const models = Object.fromEntries(
  Object.keys(BAD).map((name, i) => {
    const { longestMs, byRoute, ...counts } = told[i] as Told
    const routes = Object.fromEntries(byRoute)
    return [name, { ...counts, longestMs: figure(longestMs, 0), routes }]
  }),
)
/** On a starved machine a run that is slow is told as one that hangs. */
const SLOW = ['fallback:model-hung', 'fallback:model-open']
const isAsWanted = Object.values(BAD).every(({ routes }, i) => {
  const { byRoute, late, dead } = told[i] as Told
  const others = [...byRoute.keys()].filter((route) => !routes.includes(route))
  const isTold = routes.every((route) => byRoute.has(route))
  return late === 0 && dead === 0 && isTold && others.every((route) => SLOW.includes(route))
})
/** At each tenth of the time. */
const rss = Array.from({ length: 10 }, (_, i) => {
  return figure(memory[Math.ceil(((i + 1) / 10) * memory.length) - 1] ?? 0, 0)
})
console.log(
  JSON.stringify({ isAsWanted, mostMs: MOST_MS, models, rssMiB: rss, machine: machine() }),
)
process.exitCode = isAsWanted ? 0 : 1
endProcess()
