import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { days } from '../../kernel/time.ts'
import type { Definition } from '../../topology/definition.ts'
import { outputTopics, scoreStepsOf, sinkStepsOf } from '../../topology/graph.ts'
import { isTrained, type ModelDefinition } from '../../topology/models.ts'
import type { Advice, Form } from './advice.ts'
import type { AdviseFlags, Demand, NeedName } from './demand.ts'

// The commands of an advice, which run as they stand once the files and topics in them are there.

export type CommandLine = readonly [command: string, purpose: string]

/** The files and the topology that the flags name. */
interface Subject extends AdviseFlags {
  readonly definition: Definition | undefined
  readonly cores: number
  /** Says which days a batch is for. */
  readonly nowMs: number
}

const WHEN: Readonly<Partial<Record<Form, string>>> = {
  'batch, scheduled': 'as a CronJob or a DAG: docs/deploy.md',
  'batch, on arrival': 'started by what writes the events',
}

export function commandsFor(advice: Advice, demand: Demand, subject: Subject): CommandLine[] {
  const { form, workers } = advice
  const { definition, nowMs } = subject
  const [model, topology] = [path(subject.model ?? ''), path(subject.topology ?? '')]
  if (form === 'none') {
    const url = modelOf(definition)?.file
    const declared = url?.protocol === 'file:' ? relative('.', fileURLToPath(url)) : url?.href
    const file = subject.model ?? declared ?? ''
    const command = `tidemark model benchmark ${path(file)} --latency-budget 10000`
    return [[command, 'add smaller models, and their times stand side by side']]
  }
  const where = workers === 1 ? '' : `on ${workers ?? 'several'} machines behind a balancer, `
  const answers = `${where}answers requests at port 8080`
  const when = WHEN[form]
  if (definition === undefined) {
    if (subject.model === undefined || form === 'stream') {
      return [['tidemark init my-topology', 'a topology with events, for --topology and --input']]
    }
    if (when === undefined) return [[`tidemark serve ${model}`, answers]]
    return [[`tidemark batch --model ${model} --input rows.ndjson --output scores`, when]]
  }
  const { name, source, then } = definition
  const needs = (need: NeedName) => demand.needs.includes(need)
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 'yyyy-mm-dd'.length)
  const [from, to] = [day(nowMs - Math.max(demand.maxLatencyMs, days(1))), day(nowMs)]
  const range = (group: string) => `--from ${from} --to ${to} --group ${group}-${from}`
  const onLog = `tidemark batch ${topology} --input kafka:${source.topic}`
  const isSpread = workers === null || workers > subject.cores
  const several = workers === 1 ? '' : ` --workers ${isSpread ? 'auto' : workers}`
  const connect = when === undefined || needs('audit') ? ' --connect' : ''
  const commands: CommandLine[] = [[`tidemark check ${topology}${connect}`, 'is all in place?']]
  const add = (command: string, purpose: string) => commands.push([command, purpose])
  if (form === 'on request') add(`tidemark run ${topology} --predict-port 8080`, answers)
  else if (when === undefined) {
    const all = isSpread ? `on machines for ${workers} workers: ` : ''
    add(`tidemark run ${topology}${several}`, `${all}scores each event as it comes`)
  } else if (needs('audit')) add(`${onLog} ${range(name)} --into-live`, when)
  else {
    const events = `--input ${path(subject.input ?? `${source.topic}.ndjson`)} --output scores`
    add(`tidemark batch ${topology} ${events}${several} --resume`, when)
  }
  if (needs('reuse')) {
    const purpose = 'ahead, for popular ones; the parts of its sink are popular.ndjson'
    add(`tidemark batch ${topology} --input popular-events.ndjson --output popular`, purpose)
  }
  if (needs('audit')) {
    const which = when === undefined ? '' : ` ${range(name)}`
    add(`tidemark replay ${topology}${which} --verify`, 'makes the outputs again, compares them')
  }
  const [trained, [sink]] = [modelOf(definition), sinkStepsOf(then)]
  if (needs('drift') && sink && trained) {
    const others = outputTopics(definition).map((topic) => ` --topic ${topic}=${topic}-next`)
    const next = `--model ${trained.name}=next.onnx${others.join('')}`
    add(`${onLog} ${range(`${name}-next`)} ${next}`, 'the same events by a model of newer data')
    const field = Object.keys(trained.outputs)[0]
    const purpose = 'differences and PSI; --field is where a value has its score'
    add(`tidemark compare ${sink.topic} ${sink.topic}-next --field ${field}`, purpose)
  }
  return commands
}

function modelOf(definition: Definition | undefined): ModelDefinition | undefined {
  return scoreStepsOf(definition?.then ?? [])
    .flatMap((s) => Object.values(s.models))
    .find(isTrained)
}

/** Quotes a path for a shell. */
function path(text: string): string {
  return /^[\w./@:=+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
