import type { Code } from '../kernel/errors.ts'
import type { WatchedModel, WatchedTopology } from '../observe/observer.ts'
import { type PreparedTopology, scorersOf } from '../runtime/prepared.ts'
import { type Scorer, versionOf } from '../scoring/scorer.ts'
import type { Definition, Step } from '../topology/definition.ts'
import { decisiveStep, outputTopics, scoreStepsOf, stepsOf } from '../topology/graph.ts'
import type { LatencyLimits } from '../topology/score-options.ts'

const DECODE: readonly Code[] = [
  ...(['TOMBSTONE', 'NULL_KEY', 'RECORD_TOO_LARGE', 'BATCH_TOO_LARGE', 'NOT_UTF8'] as const),
  ...(['JSON_INVALID', 'JSON_DEPTH', 'JSON_FIELDS', 'JSON_PROTO', 'SCHEMA_INVALID'] as const),
  ...(['SCHEMA_ID_MISSING', 'SCHEMA_UNKNOWN', 'SCHEMA_UNUSABLE', 'PAYLOAD_INVALID'] as const),
  ...(['KEY_INVALID', 'KEY_PARTITION', 'TIME_INVALID', 'TIME_UNIT', 'FUNCTION_THREW'] as const),
]
/** Reasons to set a record aside, by operation, other than being late. */
const BY_STEP: Readonly<Record<Step['op'], readonly Code[]>> = {
  where: ['FUNCTION_THREW'],
  map: ['FUNCTION_THREW'],
  dedupe: ['FUNCTION_THREW', 'ID_INVALID', 'STATE_LIMIT'],
  features: ['FUNCTION_THREW', 'COLUMN_INVALID', 'STATE_LIMIT', 'FEATURE_NOT_FINITE'],
  tumbling: ['FUNCTION_THREW', 'COLUMN_INVALID', 'STATE_LIMIT'],
  score: ['SCORE_NOT_FINITE', 'SCORE_FAILED'],
  sink: [
    ...(['FUNCTION_THREW', 'KEY_INVALID'] as const),
    ...(['OUTPUT_INVALID', 'OUTPUT_TOO_LARGE', 'OUTPUT_TIMESTAMP'] as const),
  ],
}

/** The topology as metrics and the log know it before its first event. */
export function watchedTopology(prepared: PreparedTopology): WatchedTopology {
  const { definition, tables, shadows } = prepared
  const { name: topology, source, deadLetterTopic, then } = definition
  const steps = [...stepsOf(then)]
  return {
    topology,
    source: source.topic,
    outputs: outputTopics(definition),
    deadLetterTopic,
    step: decisiveStep(definition),
    late: { steps: steps.filter(findsLate).map(({ name }) => name), action: source.onLate },
    tumbling: steps.filter(({ op }) => op === 'tumbling').map(({ name }) => name),
    tables: tables.map(({ table }) => table.label),
    deadLetters: deadLettersOf(definition),
    latency: scoreStepsOf(then).flatMap(({ name, latency }) =>
      latency === undefined ? [] : [latencyOf(name, latency)],
    ),
    routes: [...prepared.scorers.values()].flatMap(({ decisions }) =>
      decisions.map(({ route, scorer, outcomes }) => {
        return { model: scorer.name, version: versionOf(scorer), route, outcomes }
      }),
    ),
    models: scorersOf(prepared).map(watchedModel),
    shadows: shadows.map(({ step, scorer }) => ({ ...watchedModel(scorer), step: step.name })),
  }
}

function watchedModel(scorer: Scorer): WatchedModel {
  const { name: model, sha256, evaluator, size } = scorer
  return { model, version: versionOf(scorer), sha256, evaluator: evaluator.by, ...size }
}

function deadLettersOf({ source, then }: Definition): WatchedTopology['deadLetters'] {
  const at = (step: string, codes: readonly Code[]) => codes.map((code) => ({ step, code }))
  const late: readonly Code[] = source.onLate === 'dead-letter' ? ['LATE'] : []
  return [
    ...at('decode', DECODE),
    ...at(source.topic, ['FUTURE']),
    ...[...stepsOf(then)].flatMap((step) =>
      at(step.name, [...BY_STEP[step.op], ...(findsLate(step) ? late : [])]),
    ),
  ]
}

function latencyOf(step: string, { targetMs, maximumMs }: LatencyLimits) {
  return { step, targetMs, maximumMs }
}

function findsLate({ op }: Step): boolean {
  return op === 'dedupe' || op === 'features' || op === 'tumbling'
}
