import type { Command } from 'commander'
import type { LogPoint } from '../connect/port.ts'
import { configFault, refuseIfAny, type TidemarkError } from '../kernel/errors.ts'
import { toStderr } from '../observe/log.ts'
import { type LogRange, rangeInWords } from '../runtime/start/bounded-range.ts'
import type { Definition } from '../topology/definition.ts'
import { allTopics, outputTopics, systemSinks } from '../topology/graph.ts'
import { loadTopologies } from './author-files.ts'
import { chosenServices } from './cluster.ts'
import { addSettings, readConfig } from './config.ts'
import { POINTS, parsePoint } from './consume.ts'
import { OutcomeTally } from './embedded.ts'
import { endInterrupted, untilSignal } from './exit.ts'
import { prepareLoaded } from './prepared.ts'
import { sayTo } from './print.ts'
import { workHere } from './run-worker.ts'
import { configOf, flagOf, RUN_SETTINGS, type RunConfig } from './settings.ts'

// `tidemark batch` on a bounded range of a topic: a worker of a group as in `tidemark run`, which
// ends when the group has committed all of the range.

/** The settings of `tidemark run` that are not for batch jobs. */
const RUN_DEFAULTS = {
  ...({ from: 'earliest', workers: 1, httpPort: 'off', httpHost: '' } as const),
  ...{ predictPort: null, predictHost: '', predictTokenFile: null, predictAdvertise: null },
} as const
const RANGE_SETTINGS = RUN_SETTINGS.filter((name) => !(name in RUN_DEFAULTS))

export interface RangeFlags extends Record<string, unknown> {
  readonly from: LogPoint
  readonly to: LogPoint
  readonly intoLive?: true
}

export function addRangeOptions(command: Command): Command {
  const TO = `where to end in each partition, the same; latest: where it ends when the group starts`
  command
    .option('--from <place>', `where to start in each partition: ${POINTS}`, parsePoint, 'earliest')
    .option('--to <place>', TO, parsePoint, 'latest')
    .option(
      '--into-live',
      "write to the topology's own topics and to systems outside, which have live readers",
    )
  // The number of workers is for files: those of a group may be on any machine.
  return addSettings(command, [...RANGE_SETTINGS, 'workers'])
}

/**
 * Works on a range of a topic, in place of the topology's source, until its group has committed it.
 * @throws Refused with every fault of the flags, and of where outputs would go
 */
export async function runRange(file: string, topic: string, flags: RangeFlags): Promise<void> {
  const stderr = toStderr()
  sayTo(stderr)
  const settings: RunConfig = { ...readConfig(RANGE_SETTINGS, flags), ...RUN_DEFAULTS }
  const { from, to, intoLive = false } = flags
  const range = { from, to }
  const ended = untilSignal()
  try {
    const loaded = await loadTopologies([file])
    const faults = rangeFaults(range)
    const fault = (message: string, flag: string, hint: string) =>
      faults.push(configFault(message, flag, hint))
    if (settings.group === null) {
      fault('a range needs a group of its own', flagOf('group'), 'add --group backfill-1')
    }
    const topics: Record<string, string> = { ...settings.topic }
    for (const definition of loaded.definitions) {
      const source = definition.source.topic
      const other = topics[source] ?? topic
      if (other !== topic) {
        const message = `"${source}" is ${other} here, but ${topic} as the input`
        fault(message, flagOf('topic'), 'give it only as the input')
      }
      topics[source] = topic
      if (!intoLive) faults.push(...liveFaults(definition, topics, settings.group ?? 'backfill'))
    }
    if (faults.length > 0) refuseIfAny([...loaded.faults, ...faults])
    const config = { ...settings, topic: topics }
    const prepared = await prepareLoaded(loaded, configOf(config), chosenServices(config))
    const tally = new OutcomeTally()
    const bounded = { range, observer: tally.observer }
    await workHere(prepared, config, { ended, stderr, bounded })
    tally.say()
    const line = 'what is committed stays: the same command continues from there'
    if (ended.hasCome) endInterrupted(line)
  } finally {
    ended.dispose()
  }
}

function rangeFaults(range: LogRange): TidemarkError[] {
  const [from, to] = [orderOf(range.from), orderOf(range.to)]
  const isEmpty = range.from === 'latest' || range.to === 'earliest'
  // Whether an offset is after a time differs from partition to partition.
  const isAfter = from.of === to.of && from.at >= to.at
  if (!isEmpty && !isAfter) return []
  return [configFault(`no record is in ${rangeInWords(range)}`, '--from', 'begin before the end')]
}

function orderOf(point: LogPoint): { readonly of: string; readonly at: number } {
  if (typeof point === 'string') return { of: point, at: 0 }
  return 'offset' in point ? { of: 'offset', at: point.offset } : { of: 'time', at: point.timeMs }
}

/** Readers of these would get the live outputs of the topology, and the outputs of the range. */
function liveFaults(
  definition: Definition,
  topics: Readonly<Record<string, string>>,
  group: string,
): TidemarkError[] {
  const topicNames = new Set([...allTopics(definition), topics[definition.source.topic]])
  const written = outputTopics(definition).filter((name) => topicNames.has(topics[name] ?? name))
  const duplicates = 'readers would get the outputs of the range besides the live ones'
  return [
    ...written.map((name) => {
      const message = `"${topics[name] ?? name}" is a topic of the topology itself: its ${duplicates}`
      const hint = `add --topic ${name}=${name}-${group}, or --into-live`
      return configFault(message, flagOf('topic'), hint)
    }),
    ...systemSinks(definition).map(({ topic: name }) => {
      const message = `sink "${name}" is in a system outside: its ${duplicates}`
      return configFault(message, '--into-live', 'add --into-live')
    }),
  ]
}
