import { type Broker, type Cluster, type Kafka, PartitionAssigners } from 'kafkajs'
import type { Metadata } from './wire/metadata.ts'
import type { Wired } from './wire/send.ts'

// What is taken from the library and is not meant to be. Private to kafkajs 2.2.4: cluster/index.js (brokerPool),
// cluster/brokerPool.js (createBroker, and refreshMetadata, which asks `metadata` of a broker, and keeps addresses by it).

/** What a library's broker does and its types leave out. */
export interface GroupBroker extends Broker {
  joinGroup(request: {
    readonly groupId: string
    readonly sessionTimeout: number
    readonly rebalanceTimeout: number
    readonly memberId: string
    readonly groupProtocols: readonly { readonly name: string; readonly metadata: Buffer }[]
  }): Promise<unknown>
  syncGroup(request: {
    readonly groupId: string
    readonly generationId: number
    readonly memberId: string
    readonly groupAssignment: readonly {
      readonly memberId: string
      readonly memberAssignment: Buffer
    }[]
  }): Promise<{ readonly memberAssignment: Buffer }>
  heartbeat(request: {
    readonly groupId: string
    readonly groupGenerationId: number
    readonly memberId: string
  }): Promise<unknown>
  leaveGroup(request: { readonly groupId: string; readonly memberId: string }): Promise<unknown>
}

/** The metadata that the library works with. */
interface LibraryMetadata {
  readonly brokers: Metadata['nodes']
  readonly controllerId: number
  readonly clusterId: null
  readonly topicMetadata: readonly {
    readonly topic: string
    readonly topicErrorCode: number
    readonly partitionMetadata: readonly { readonly partitionId: number; readonly leader: number }[]
  }[]
}

interface PrivateCluster {
  readonly brokerPool: { createBroker: (options: unknown) => object }
}

/**
 * A cluster of the library that asks in our way what there is: its own question fails as a whole when one partition has no
 * leader, or something is wrong with one topic, whoseever it is.
 */
export function clusterOf(kafka: Kafka, ask: (broker: Wired) => Promise<Metadata>): Cluster {
  const cluster = handedOut(kafka)
  const { brokerPool } = cluster as unknown as PrivateCluster
  const { createBroker } = brokerPool
  brokerPool.createBroker = (options) => {
    const broker = createBroker(options)
    const metadata = async () => libraryMetadata(await ask(broker as Wired))
    return Object.assign(broker, { metadata })
  }
  return cluster
}

/** The library hands its cluster out to those who assign partitions, and nowhere else. */
function handedOut(kafka: Kafka): Cluster {
  let cluster: Cluster | undefined
  kafka.consumer({
    groupId: 'tidemark',
    allowAutoTopicCreation: false,
    partitionAssigners: [
      (config) => {
        cluster = config.cluster
        return PartitionAssigners.roundRobin(config)
      },
    ],
  })
  return cluster as unknown as Cluster
}

function libraryMetadata({ nodes, controllerId, topics }: Metadata): LibraryMetadata {
  return {
    brokers: nodes,
    controllerId,
    clusterId: null,
    topicMetadata: topics.map(({ topic, code, partitions }) => ({
      topic,
      topicErrorCode: code,
      partitionMetadata: partitions.map(({ partition, leader }) => ({
        partitionId: partition,
        leader,
      })),
    })),
  }
}
