import type { LogPoint } from '../connect/port.ts'
import { loadTopologies } from '../host/author-files.ts'
import { workHere } from '../host/process-worker.ts'
import type { RunProcess } from '../host/run-process.ts'
import { chosenServices } from '../host/services.ts'
import { configOf, flagOf, type RunConfig } from '../host/settings.ts'
import { prepareLoaded } from '../host/topology-files.ts'
import { configFault, refuseIfAny, type TidemarkError } from '../kernel/errors.ts'
import { type LogRange, rangeInWords } from '../runtime/start/bounded-range.ts'
import type { Definition } from '../topology/definition.ts'
import { allTopics, outputTopics, systemSinks } from '../topology/graph.ts'
import { OutcomeTally } from './outcome-tally.ts'

// A bounded range of a topic: a worker of a group on Kafka, which ends when the group has committed
// all of the range.

interface RangeJob {
  /** The file of the topology. */
  readonly file: string
  /** Read in place of the topology's source. */
  readonly topic: string
  readonly range: LogRange
  /** Whether outputs may go where those of the live topology go. */
  readonly isIntoLive: boolean
  readonly config: RunConfig
}

/** @throws Refused with every fault of the range, and of where outputs would go */
export async function runRange(job: RangeJob, here: RunProcess): Promise<OutcomeTally> {
  const { file, topic, range, isIntoLive, config: settings } = job
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
    if (!isIntoLive) faults.push(...liveFaults(definition, topics, settings.group ?? 'backfill'))
  }
  if (faults.length > 0) refuseIfAny([...loaded.faults, ...faults])
  const config = { ...settings, topic: topics }
  const prepared = await prepareLoaded(loaded, configOf(config), chosenServices(config))
  const tally = new OutcomeTally()
  await workHere(prepared, config, { ...here, bounded: { range, observer: tally.observer } })
  return tally
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
