import { availableParallelism } from 'node:os'
import { Command } from 'commander'
import { openInput } from '../connect/files/lines.ts'
import { modelOfFile } from '../host/model-of-file.ts'
import { prepareFiles } from '../host/topology-files.ts'
import { eventTimes } from '../jobs/event-times.ts'
import { configFault, refuseIfAny, type TidemarkError, unlessRefused } from '../kernel/errors.ts'
import { formatDuration } from '../kernel/time.ts'
import { plural } from '../kernel/wording.ts'
import { GivenSource } from '../lookup/store-source.ts'
import { DEFAULT_CONFIG } from '../runtime/config.ts'
import { scorersOf } from '../runtime/prepared.ts'
import { loadSingle } from '../scoring/models.ts'
import { type Scorer, shownEvaluator } from '../scoring/scorer.ts'
import type { StoreDefinition } from '../topology/definition.ts'
import { type Advice, about, adviceFor, type Measured } from './advise/advice.ts'
import { type CommandLine, commandsFor } from './advise/commands.ts'
import { type AdviseFlags, type Demand, NEEDS, PEAK, PRESETS, readDemand } from './advise/demand.ts'
import { PATIENT } from './model-evaluate.ts'
import { sayNotes, writeResult } from './print.ts'
import { TERMINAL } from './progress.ts'

export function advise(): Command {
  return new Command('advise')
    .description('say which form of prediction suits, by a rule of thumb and by what is measured')
    .argument('[preset]', `a use case, for defaults: ${Object.keys(PRESETS).join(', ')}`)
    .option('--max-latency <time>', 'the longest that a score may take, such as 50ms, 1s or 1d')
    .option('--volume <events>', 'events a day, such as 2000000/day')
    .option('--cost <level>', 'how much cost matters: low, medium or high (default: medium)')
    .option('--model <file>', 'model to measure: ONNX, with its .golden.json, or .model.ts')
    .option('--topology <file>', 'topology, whose models are measured, and with --input its events')
    .option('--input <file>', 'events, one per line: VALUE or KEY<TAB>VALUE; may be .gz')
    .option('--json', 'write JSON')
    .action(start)
}

const CHOICES = {
  ...({ values: 'json', systems: 'later', latencyBudget: 'none' } as const),
  sourceOf: (store: StoreDefinition) => new GivenSource(store, []),
}

async function start(preset: string | undefined, flags: AdviseFlags): Promise<void> {
  const faults: TidemarkError[] = []
  const demand = readDemand(preset, flags, faults)
  const { model: modelFile, topology: topologyFile, input } = flags
  if (input !== undefined) {
    if (!topologyFile)
      faults.push(configFault('is for a topology', '--input', 'add --topology FILE'))
    await unlessRefused(async () => (await openInput(input)).destroy(), faults)
  }
  const beginMs = performance.now()
  // A model that is too slow is to be told, not refused.
  const load = async (file: string) => loadSingle(await modelOfFile(file), PATIENT)
  const model = modelFile ? await unlessRefused(() => load(modelFile), faults) : null
  const prepare = (file: string) => prepareFiles([file], DEFAULT_CONFIG, CHOICES)
  const prepared = topologyFile ? await unlessRefused(() => prepare(topologyFile), faults) : null
  const startMs = performance.now() - beginMs
  try {
    refuseIfAny(faults)
    sayNotes([...(model?.notes ?? []), ...(prepared?.notes ?? [])])
    const [topology] = prepared?.topologies ?? []
    const models = (model ? [model.scorer] : topology ? scorersOf(topology) : [])
      .filter(({ evaluator }) => evaluator.by !== 'function')
      .map(timesOf)
    const events = prepared && input ? await eventTimes(prepared, input, TERMINAL) : null
    const cores = availableParallelism()
    const measured = models.length > 0 || events ? { cores, startMs, models, events } : null
    const advice = adviceFor(demand, measured)
    const subject = { ...flags, definition: topology?.definition, cores, nowMs: Date.now() }
    const commands = commandsFor(advice, demand, subject)
    const needs = Object.fromEntries(demand.needs.map((name) => [name, NEEDS[name]]))
    const plain = { demand, ...advice, figures: measured, needs, commands }
    await writeResult(flags.json, plain, shown(demand, advice, commands))
  } finally {
    await model?.scorer.close()
    await prepared?.close()
  }
}

function timesOf(scorer: Scorer): Measured['models'][number] {
  const { name, evaluator, maxBatch } = scorer
  const [oneRowMs, most] = [scorer.answerMs(1), scorer.answerMs(maxBatch)]
  const rowMs = maxBatch === 1 ? oneRowMs : Math.max(0, (most - oneRowMs) / (maxBatch - 1))
  const baseMs = Math.max(0, oneRowMs - rowMs)
  return { name, by: shownEvaluator(evaluator), baseMs, rowMs, oneRowMs }
}

function shown(demand: Demand, advice: Advice, commands: readonly CommandLine[]): string {
  const { form, workers, batchRows, rule, measured, overruled, against } = advice
  const { preset, maxLatencyMs, eventsPerDay, cost, needs } = demand
  const many = workers === null ? 'several workers' : plural(workers, 'worker')
  const rows = batchRows === null ? '' : `, ${plural(batchRows, 'row')} a batch at the peak`
  const peak = `(peak ${about(demand.peakPerSecond)} a second, ${PEAK} times the mean)`
  const so = overruled ?? (measured.length > 0 ? 'as the rule says' : 'by the rule alone')
  const sections = {
    why: [
      `rule      ${rule}`,
      ...measured.map((line, i) => `${i === 0 ? 'measured' : '        '}  ${line}`),
      `so        ${so}`,
    ],
    'what speaks against it': against,
    'what it needs': needs.flatMap((name) => {
      const [way, ...lines] = NEEDS[name]
      return [`${name}: ${way}`, ...lines.map((line) => `  ${line}`)]
    }),
    commands: commands.flatMap(([command, purpose]) => [command, `  # ${purpose}`]),
  }
  const lines = [
    form === 'none' ? 'no form is fast enough here' : `${form}: ${many}${rows}`,
    `${preset ?? 'for'} ${formatDuration(maxLatencyMs)}, ${plural(eventsPerDay, 'event')} a day ${peak}, cost matters: ${cost}`,
    ...Object.entries(sections).flatMap(([title, texts]) =>
      texts.length === 0 ? [] : ['', title, ...texts.map((line) => `  ${line}`)],
    ),
  ]
  return `${lines.join('\n')}\n`
}
