import { KafkaRecords } from '../../src/connect/kafka/kafka-records.ts'
import type { Records } from '../../src/connect/port.ts'
import type { Prepared } from '../../src/runtime/prepared.ts'
import { type Worker } from '../../src/runtime/worker.ts'
import { withTopics } from '../../src/topology/graph.ts'
import cardFraud from '../../topologies/card-fraud.ts'
import { prepare, startWorker } from '../support/in-process.ts'

// Many groups that read the same payments, each with outputs of its own: their workers share a
// process and a model.

export interface Groups {
  readonly brokers: readonly string[]
  readonly payments: string
  readonly guarantee: 'exactly-once' | 'at-least-once'
}

/** Where a group's outputs stand. */
export function outputsOf(group: string): { predictions: string; deadLetters: string } {
  return { predictions: `${group}-predictions`, deadLetters: `${group}-dlq` }
}

/** The topology with its model; as slow as the machine is. */
export function prepareOnce(): Promise<Prepared> {
  return prepare([cardFraud], { latencyBudget: 'none' })
}

/**
 * Starts the worker of a group. Whoever does it waits for its end, and closes the records that come
 * with it.
 */
export function startOf(
  { brokers, payments, guarantee }: Groups,
  group: string,
  { prepared, through = (records) => records }: { prepared: Prepared; through?: Through },
): { worker: Worker; records: KafkaRecords } {
  const { predictions, deadLetters } = outputsOf(group)
  const topics = new Map([
    ['payments', payments],
    ['predictions', predictions],
    ['payments.dlq', deadLetters],
  ])
  const topologies = prepared.topologies.map((topology) => ({
    ...topology,
    definition: withTopics(topology.definition, topics),
  }))
  // With a name of its own it takes the place of the one that died under it at once.
  const records = new KafkaRecords({ brokers, workerName: group })
  const worker = startWorker({
    ...{ prepared: { ...prepared, topologies }, records: through(records), group, guarantee },
    observer: () => {},
  })
  return { worker, records }
}

/** Stands between a worker and its records. */
export type Through = (records: Records) => Records
