import { say } from '../../src/cli/print.ts'
import { startFromMaven } from '../services/from-maven.ts'
import { Link } from '../services/links.ts'
import type { Place } from '../soak/course.ts'

/** Three times what ten minutes of payments take. */
const DISK_MB = 3_000

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
  const links = kafka.nodes.map((node) => new Link(node))
  try {
    await Promise.all(links.map((link) => link.up()))
    return await work({ brokers: kafka.service.brokers, kafka, links })
  } finally {
    await Promise.all(links.map((link) => link.down()))
    await kafka.stop()
  }
}
