import { planOf } from '../engine/plan.ts'
import type { Code } from '../kernel/errors.ts'
import { minutes } from '../kernel/time.ts'
import type { WatchedModel, WatchedTopology } from '../observe/observer.ts'
import { type PreparedTopology, scorersOf } from '../runtime/prepared.ts'
import { type Scorer, versionOf } from '../scoring/scorer.ts'
import { decisiveStep, outputTopics, scoreStepsOf, systemSinks } from '../topology/graph.ts'
import { REUSE } from '../topology/reuse.ts'

const DECODE: readonly Code[] = [
  ...(['TOMBSTONE', 'NULL_KEY', 'RECORD_TOO_LARGE', 'BATCH_TOO_LARGE', 'NOT_UTF8'] as const),
  ...(['JSON_INVALID', 'JSON_DEPTH', 'JSON_FIELDS', 'JSON_PROTO', 'SCHEMA_INVALID'] as const),
  ...(['SCHEMA_ID_MISSING', 'SCHEMA_UNKNOWN', 'SCHEMA_UNUSABLE', 'PAYLOAD_INVALID'] as const),
  ...(['KEY_INVALID', 'KEY_PARTITION', 'TIME_INVALID', 'TIME_UNIT', 'FUNCTION_THREW'] as const),
]

/** The topology as metrics and the log know it before its first event. */
export function watchedTopology(prepared: PreparedTopology): WatchedTopology {
  const { definition, tables, stores, shadows } = prepared
  const { name: topology, source, deadLetterTopic, then } = definition
  const steps = planOf(definition).map(({ step, rule }) => ({ name: step.name, ...rule.outcomes }))
  return {
    topology,
    source: source.topic,
    idleAfterMs: source.watermark.idleAfterMs ?? minutes(1),
    outputs: [
      ...outputTopics(definition),
      ...systemSinks(definition).map(({ topic: name }) => name),
    ],
    deadLetterTopic,
    step: decisiveStep(definition),
    late: {
      steps: steps.filter(({ late }) => late).map(({ name }) => name),
      action: source.onLate,
    },
    tumbling: steps.filter(({ windows }) => windows).map(({ name }) => name),
    tables: tables.map(({ table }) => table.label),
    stores: stores.map(({ definition: { name } }) => name),
    deadLetters: [
      ...at('decode', DECODE),
      ...at(source.topic, ['FUTURE']),
      ...steps.flatMap(({ name, late, deadLetters: codes }) =>
        at(name, late && source.onLate === 'dead-letter' ? [...codes, 'LATE'] : codes),
      ),
    ],
    latency: scoreStepsOf(then).flatMap(({ name: step, latency }) =>
      latency === undefined ? [] : [{ step, ...latency }],
    ),
    routes: [...prepared.scorers.values()].flatMap(({ step: { reuse }, decisions }) => [
      ...decisions.map(({ route, scorer, outcomes }) => {
        return { model: scorer.name, version: versionOf(scorer), route, outcomes }
      }),
      ...(reuse === null
        ? []
        : [{ model: reuse.table, version: '', route: REUSE, outcomes: ['scored'] as const }]),
    ]),
    models: scorersOf(prepared).map(watchedModel),
    shadows: shadows.map(({ step, scorer }) => ({ ...watchedModel(scorer), step: step.name })),
  }
}

function watchedModel(scorer: Scorer): WatchedModel {
  const { name: model, sha256, evaluator, size } = scorer
  const provider = evaluator.by === 'onnxruntime' ? evaluator.provider : ''
  return { model, version: versionOf(scorer), sha256, evaluator: evaluator.by, provider, ...size }
}

function at(step: string, codes: readonly Code[]): WatchedTopology['deadLetters'] {
  return codes.map((code) => ({ step, code }))
}
