import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { Definition } from '../../src/topology/definition.ts'
import { outputTopics, withTopics } from '../../src/topology/graph.ts'
import { type Outcome, outcomeOf, type Place } from '../golden/answers.ts'
import { Watch } from '../runtime/support.ts'
import { freshName, type KafkaService, plainOptions, readTopic } from '../services/kafka.ts'
import type { RegistryService } from '../services/registry.ts'
import { prepare, startWorker } from '../support/in-process.ts'

/** A topology, and the topic that it reads. */
interface Run {
  readonly topology: Definition
  readonly topic: string
}

/** Where runs have their topics and their schemas. */
interface Services {
  readonly kafka: KafkaService
  readonly registry: RegistryService
}

/**
 * Runs topologies in one worker in this process, each from the beginning of its topic until so many
 * records of it are committed. Their other topics are their own.
 * @returns what came of each topic, in the order of its log
 */
export async function outcomesOf(
  { kafka, registry }: Services,
  runs: readonly Run[],
  count: number,
): Promise<Outcome[]> {
  const records = new KafkaRecords(plainOptions(kafka))
  const definitions = runs.map(({ topology, topic }) => alone(topology, topic))
  const topics = definitions.flatMap(outputTopics)
  await records.create(topics.map((name) => ({ name, partitions: 1 })))
  const prepared = await prepare(definitions, { registry: { url: registry.url } })
  const watch = new Watch()
  const group = freshName('in-process')
  const worker = startWorker({ prepared, records, group, observer: watch.observer })
  const areDone = () => runs.every(({ topic }) => committedOf(watch, topic) >= count)
  try {
    await Promise.race([watch.until(areDone), worker.done])
    return await Promise.all(definitions.map((each) => outcomeIn(records, each)))
  } finally {
    await worker.stop()
    await prepared.close()
    await records.close()
  }
}

/** A topology with a name and topics that no other one has. */
function alone(topology: Definition, topic: string): Definition {
  const fresh = outputTopics(topology).map((name) => [name, freshName(name)] as const)
  const topics = new Map([[topology.source.topic, topic], ...fresh])
  return { ...withTopics(topology, topics), name: freshName(topology.name) }
}

async function outcomeIn(records: KafkaRecords, definition: Definition): Promise<Outcome> {
  const [sink = '', letters = ''] = outputTopics(definition)
  const outcome = outcomeOf(await readTopic(records, sink), await readTopic(records, letters))
  return {
    outputs: outcome.outputs.toSorted(inLogOrder),
    deadLetters: outcome.deadLetters.toSorted(inLogOrder),
  }
}

function inLogOrder(a: Place, b: Place): number {
  return a.partition - b.partition || a.offset - b.offset
}

/** How many records of a topic are committed. */
function committedOf(watch: Watch, topic: string): number {
  const ends = new Map<number, number>()
  for (const { partition, nextOffset } of watch.of('committed').flatMap((e) => e.nextOffsets)) {
    if (partition.topic === topic) ends.set(partition.partition, nextOffset)
  }
  return [...ends.values()].reduce((sum, end) => sum + end, 0)
}
