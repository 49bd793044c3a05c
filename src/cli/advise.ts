import { availableParallelism } from 'node:os'
import { Command } from 'commander'
import { configFault, refuseIfAny, type TidemarkError, unlessRefused } from '../kernel/errors.ts'
import { GivenSource } from '../lookup/store-source.ts'
import { openInput } from '../records/files/lines.ts'
import type { Prepared, PreparedTopology } from '../runtime/prepared.ts'
import { isOnlyShadow, scoreStepsOf } from '../topology/graph.ts'
import { isTrained, type ModelDefinition } from '../topology/models.ts'
import { type CommandLine, commandsFor } from './advise/commands.ts'
import {
  about,
  type Decision,
  decide,
  type Form,
  PEAK,
  peakOf,
  shownLimit,
} from './advise/decision.ts'
import { type InputFlags, type Inputs, PRESETS, readInputs } from './advise/inputs.ts'
import { type Measured, measureEvents, measureModel } from './advise/measure.ts'
import { NEEDS, type Need, type NeedName } from './advise/needs.ts'
import { modelOfFile } from './model-of-file.ts'
import { prepareFiles } from './prepared.ts'
import { plural, writeResult } from './print.ts'

interface Flags extends InputFlags {
  readonly model?: string
  readonly topology?: string
  readonly input?: string
  readonly json?: boolean
}

export function advise(): Command {
  return new Command('advise')
    .description(
      'say whether to score on request, in the stream or in batches, by a rule of thumb and by what a model and a topology take here',
    )
    .argument(
      '[preset]',
      `a use case, whose needs are the defaults: ${Object.keys(PRESETS).join(', ')}`,
    )
    .option('--max-latency <time>', 'the longest that a score may take, such as 50ms, 1s, 15m, 1d')
    .option('--volume <events>', 'events a day, such as 2000000/day')
    .option('--cost <level>', 'how much cost matters: low, medium or high (default: medium)')
    .option(
      '--model <file>',
      'a model to measure: ONNX, with the .golden.json of its name, or a definition, .model.ts',
    )
    .option(
      '--topology <file>',
      'a topology, whose models are measured, and with --input its events',
    )
    .option(
      '--input <file>',
      'events of the topology, one per line: VALUE or KEY<TAB>VALUE; may be .gz',
    )
    .option('--json', 'write JSON')
    .action(start)
}

/** What helps where no form is fast enough. */
const OF_SLOW: readonly NeedName[] = ['fallback', 'reuse']

async function start(preset: string | undefined, flags: Flags): Promise<void> {
  const faults: TidemarkError[] = []
  const inputs = readInputs(preset ?? null, flags, faults)
  const opened = await open(flags, faults)
  try {
    refuseIfAny(faults)
    const { topology } = opened
    const subject = {
      model: flags.model ?? null,
      topology: topology && { file: flags.topology ?? '', definition: topology.definition },
      input: flags.input ?? null,
    }
    const measured = await measure(opened, subject.input)
    const cores = availableParallelism()
    const decision = decide(inputs, measured, cores)
    const commands = commandsFor(decision, { inputs, subject, cores, nowMs: Date.now() })
    const asked = decision.form === 'none' ? [...inputs.needs, ...OF_SLOW] : inputs.needs
    const needs = [...new Set(asked)].map((name) => {
      const { isMet, ...need }: Need = NEEDS[name]
      return { name, ...need, isMet: topology !== null && isMet(topology.definition) }
    })
    const advice = { inputs, measured, decision, needs, commands }
    await writeResult(flags.json, plainAdvice(advice), describeAdvice(advice))
  } finally {
    await opened.prepared?.close()
  }
}

interface Opened {
  readonly models: readonly ModelDefinition[]
  readonly prepared: Prepared | null
  readonly topology: PreparedTopology | null
  readonly startMs: number
}

/** As `dev` has it, but for a model that is too slow, which is to be told. */
const CHOICES: Parameters<typeof prepareFiles>[2] = {
  ...{ values: 'json', redis: 'later', latencyBudget: 'none' },
  sourceOf: (store) => new GivenSource(store, new Map()),
}

/** Adds to `faults` why something cannot be measured. */
async function open(
  { model, topology: file, input }: Flags,
  faults: TidemarkError[],
): Promise<Opened> {
  if (input !== undefined) {
    const hint = 'add --topology FILE'
    if (file === undefined) faults.push(configFault('events are for a topology', '--input', hint))
    await unlessRefused(async () => (await openInput(input)).destroy(), faults)
  }
  const beginMs = performance.now()
  const own = model === undefined ? null : await unlessRefused(() => modelOfFile(model), faults)
  const prepared =
    file === undefined ? null : await unlessRefused(() => prepareFiles([file], {}, CHOICES), faults)
  const startMs = performance.now() - beginMs
  const topology = prepared?.topologies[0] ?? null
  const models = own === null ? modelsOf(topology) : [own]
  return { models, prepared, topology, startMs }
}

/** Those that events wait for, each once. */
function modelsOf(topology: PreparedTopology | null): readonly ModelDefinition[] {
  const models = scoreStepsOf(topology?.definition.then ?? []).flatMap((step) =>
    Object.entries(step.models).flatMap(([name, model]) =>
      isTrained(model) && !isOnlyShadow(step, name) ? [model] : [],
    ),
  )
  return [...new Map(models.map((model) => [model.file.href, model])).values()]
}

/** `null`: there is nothing to measure. */
async function measure(
  { models, prepared, startMs }: Opened,
  input: string | null,
): Promise<Measured | null> {
  const times = []
  for (const model of models) times.push(await measureModel(model))
  const events = prepared && input !== null ? await measureEvents(prepared, input) : null
  return times.length === 0 && events === null ? null : { startMs, models: times, events }
}

interface Advice {
  readonly inputs: Inputs
  readonly measured: Measured | null
  readonly decision: Decision
  readonly needs: readonly (Omit<Need, 'isMet'> & {
    readonly name: NeedName
    readonly isMet: boolean
  })[]
  readonly commands: readonly CommandLine[]
}

function plainAdvice({ inputs, measured, decision, ...rest }: Advice) {
  const { form, workers, batchRows, rule, overruled, against } = decision
  return {
    inputs: { ...inputs, peak: PEAK, peakPerSecond: peakOf(inputs) },
    ...{ form, workers, batchRows, rule, measured, overruled, against },
    ...rest,
  }
}

const FORMS: Readonly<Record<Form, string>> = {
  'on-request': 'on request',
  stream: 'the stream',
  'batch-scheduled': 'batch, scheduled',
  'batch-on-arrival': 'batch, on arrival',
  none: 'no form meets this here',
}
const COSTS_MATTER = {
  low: 'cost matters little',
  medium: 'cost matters',
  high: 'cost matters most',
}

function describeAdvice({ inputs, decision, needs, commands }: Advice): string {
  const { form, workers, batchRows, rule, measured, overruled, against } = decision
  const { preset, eventsPerDay, cost } = inputs
  const many = workers === null ? ', several workers' : `, ${plural(workers, 'worker')}`
  const rows = batchRows === null ? '' : `, ${plural(batchRows, 'row')} a batch at the peak`
  const peak = `peak ${about(peakOf(inputs))} a second, ${PEAK} times the mean`
  const asked = `${shownLimit(inputs)}, ${plural(eventsPerDay, 'event')} a day (${peak}), ${COSTS_MATTER[cost]}`
  const so = overruled ?? (measured.length === 0 ? null : 'as the rule says')
  const lines = [
    form === 'none' ? FORMS[form] : `${FORMS[form]}${many}${rows}`,
    `for ${preset === null ? '' : `${preset}: `}${asked}`,
    ...section('why', [
      `rule      ${rule.why}`,
      ...measured.map((each, i) => `${i === 0 ? 'measured' : '        '}  ${each}`),
      ...(so === null ? [] : [`so        ${so}`]),
    ]),
    ...section('what speaks against it', against),
    ...section('what it needs', needs.flatMap(needLines)),
    ...section(
      'commands',
      commands.flatMap((each) => [each.command, `  # ${each.for}`]),
    ),
  ]
  return `${lines.join('\n')}\n`
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)]
}

function needLines({ name, why, lines, page, isMet }: Advice['needs'][number]): string[] {
  if (isMet) return [`${name}: the topology has it`]
  return [`${name}: ${why} (${page})`, ...lines.map((line) => `  ${line}`)]
}
