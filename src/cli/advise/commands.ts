import { relative } from 'node:path'
import { days } from '../../kernel/time.ts'
import type { Definition } from '../../topology/definition.ts'
import { outputTopics, scoreStepsOf, sinkStepsOf } from '../../topology/graph.ts'
import { isTrained } from '../../topology/models.ts'
import type { Decision } from './decision.ts'
import type { Inputs } from './inputs.ts'
import type { ModelTimes } from './measure.ts'

// The commands of an advice, which run as they stand once the files and topics in them are there.

export interface CommandLine {
  readonly command: string
  readonly for: string
}

/** What the flags name; `null`: they do not. */
export interface Subject {
  readonly model: string | null
  readonly topology: { readonly file: string; readonly definition: Definition } | null
  readonly input: string | null
}

interface Case {
  readonly inputs: Inputs
  readonly subject: Subject
  /** Of this machine. */
  readonly cores: number
  /** Says which days a batch is for. */
  readonly nowMs: number
}

export function commandsFor(decision: Decision, of: Case): CommandLine[] {
  const { inputs, subject } = of
  const { form, slowest } = decision
  const { model, topology } = subject
  if (form === 'none' && slowest !== null) return [comparing(slowest)]
  if (topology !== null) return [...withTopology(decision, topology, of)]
  if (model === null || form === 'stream') return firstTopology(inputs)
  if (form === 'on-request') return [{ command: line('serve', path(model)), for: each(decision) }]
  const command = line('batch', '--model', path(model), '--input rows.ndjson --output scores')
  return [{ command, for: `rows.ndjson has the features by name; ${whenOf(decision)}` }]
}

function comparing({ file, oneRowMs }: ModelTimes): CommandLine {
  const budget = `--latency-budget ${Math.ceil(4 * oneRowMs)}`
  const command = line('model benchmark', path(relative('.', file)), budget)
  return { command, for: 'name smaller models too, and their times stand side by side' }
}

function firstTopology({ preset, maxLatencyMs, eventsPerDay, cost }: Inputs): CommandLine[] {
  const asked = `--max-latency ${maxLatencyMs}ms --volume ${eventsPerDay}/day --cost ${cost}`
  const made = '--topology my-topology/topology.ts --input my-topology/sample.ndjson'
  return [
    { command: 'tidemark init my-topology', for: 'a topology to change, with sample events' },
    { command: line('advise', preset ?? '', asked, made), for: 'advice from what it takes here' },
  ]
}

function* withTopology(
  decision: Decision,
  topology: NonNullable<Subject['topology']>,
  { inputs, subject, cores, nowMs }: Case,
): Generator<CommandLine> {
  const { form, workers } = decision
  const { definition } = topology
  const file = path(topology.file)
  const { source } = definition
  const needs = (name: Inputs['needs'][number]) => inputs.needs.includes(name)
  const isOnLog = form === 'on-request' || form === 'stream' || needs('audit')
  yield { command: line('check', file, isOnLog ? '--connect' : ''), for: 'is all in place?' }
  const isSpread = workers === null || workers > cores
  const several = workers === 1 ? '' : `--workers ${isSpread ? 'auto' : workers}`
  const range = rangeOf(definition, inputs, nowMs)
  const isBatch = form === 'batch-scheduled' || form === 'batch-on-arrival'
  if (form === 'on-request') {
    yield { command: line('run', file, '--predict-port 8080'), for: each(decision) }
  } else if (form === 'stream') {
    const where = isSpread ? `on machines for ${workers ?? 'several'} workers in all; ` : ''
    yield { command: line('run', file, several), for: `${where}scores each event as it comes` }
  } else if (isBatch && needs('audit')) {
    yield { command: line('batch', file, range.of(''), '--into-live'), for: whenOf(decision) }
  } else if (isBatch) {
    const events = ['--input', path(subject.input ?? `${source.topic}.ndjson`), '--output scores']
    yield { command: line('batch', file, ...events, several, '--resume'), for: whenOf(decision) }
  }
  if (needs('reuse')) {
    const popular = '--input popular-events.ndjson --output popular'
    const why = 'ahead, for the popular ones; the parts of its sink together are popular.ndjson'
    yield { command: line('batch', file, popular), for: why }
  }
  if (needs('audit')) {
    const which = isBatch ? range.replayed : ''
    const why = 'makes the outputs again, and compares them to the bit'
    yield { command: line('replay', file, which, '--verify'), for: why }
  }
  if (needs('drift')) yield* comparingModels(file, definition, range)
}

/** A model of newer data over the same events, into topics of its own. */
function* comparingModels(
  file: string,
  definition: Definition,
  range: Range,
): Generator<CommandLine> {
  const [step] = scoreStepsOf(definition.then)
  const [sink] = sinkStepsOf(definition.then)
  const model = Object.values(step?.models ?? {}).find(isTrained)
  if (model === undefined || step === undefined || sink === undefined) return
  const others = outputTopics(definition).map((topic) => `--topic ${topic}=${topic}-next`)
  const next = `--model ${model.name}=next.onnx`
  const command = line('batch', file, range.of('-next'), next, ...others)
  yield { command, for: 'the same events by a model of newer data, next.onnx' }
  const field = `--field ${Object.keys(step.outputs)[0]}`
  const why = 'mean, quantiles and PSI of the differences; --field: the score in the values'
  yield { command: line('compare', sink.topic, `${sink.topic}-next`, field), for: why }
}

interface Range {
  /** The flags of a batch. @param suffix of its group */
  of(suffix: string): string
  /** The flags of a replay of it. */
  readonly replayed: string
}

/** The last whole days of the topic, in UTC, as many as a batch is for. */
function rangeOf({ name, source }: Definition, { maxLatencyMs }: Inputs, nowMs: number): Range {
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 'yyyy-mm-dd'.length)
  const [from, to] = [day(nowMs - Math.max(maxLatencyMs, days(1))), day(nowMs)]
  const bounds = `--from ${from} --to ${to}`
  const of = (suffix: string) =>
    `--input kafka:${source.topic} ${bounds} --group ${name}${suffix}-${from}`
  return { of, replayed: `${bounds} --group ${name}-${from}` }
}

function each({ workers }: Decision): string {
  if (workers === 1) return 'answers requests at port 8080'
  const many = workers === null ? 'on several machines' : `on ${workers} machines`
  return `${many}, behind a load balancer; answers requests at port 8080`
}

function whenOf({ form }: Decision): string {
  return form === 'batch-scheduled'
    ? 'as a CronJob or a DAG: docs/deploy.md'
    : 'started by what writes the events'
}

function line(...words: readonly string[]): string {
  return ['tidemark', ...words.filter((word) => word !== '')].join(' ')
}

/** A path as a shell takes it. */
function path(text: string): string {
  return /^[\w./@:=+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
