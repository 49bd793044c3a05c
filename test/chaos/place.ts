import { join } from 'node:path'
import { say } from '../../src/cli/print.ts'
import { type OwnKafka, startFromMaven } from '../services/from-maven.ts'
import { Link } from '../services/links.ts'
import type { Place } from '../soak/course.ts'

/** Three times what ten minutes of payments take. */
export const DISK_MB = 3_000

/** How workers are started that are to be put through anything. */
export const WORKERS = {
  model: join(import.meta.dirname, '../../topologies/models/card-gbdt.onnx'),
  workerFlags: ['--worker-name', '{name}', '--session-timeout', '6'],
  preloads: [new URL('./clock-jump.js', import.meta.url).href],
} as const

export interface PlaceOptions {
  readonly nodes: 1 | 3
  /** Each node has a disk of its own, which can be filled; needs root. */
  readonly hasDisks: boolean
}

/** Works on a Kafka of its own, which workers reach by links that can fail; it is gone after. */
export async function onOwnKafka<R>(
  { nodes, hasDisks }: PlaceOptions,
  work: (place: Place) => Promise<R>,
): Promise<R> {
  say('starting Kafka ...')
  const kafka = await startFromMaven({ nodes, ...(hasDisks && { diskMb: DISK_MB }) })
  say(`Kafka is ready (${kafka.way})`)
  try {
    return await withLinks(kafka, work)
  } finally {
    await kafka.stop()
  }
}

/** Works on a Kafka by links to it, which are gone after. */
export async function withLinks<R>(
  kafka: OwnKafka,
  work: (place: Place) => Promise<R>,
): Promise<R> {
  const links = kafka.nodes.map((node) => new Link(node))
  try {
    await Promise.all(links.map((link) => link.up()))
    return await work({ brokers: kafka.service.brokers, kafka, links })
  } finally {
    await Promise.all(links.map((link) => link.down()))
  }
}
