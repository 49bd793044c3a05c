import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { topicsOf } from '../bench/stage.ts'

// The topics of a group that nobody else has, and the flags of `run` that choose them for both
// topologies.

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Below a checkout. */
export const SOAK_TOPOLOGIES = 'test/soak/topologies'
const CARD_FRAUD = join(SOAK_TOPOLOGIES, 'card-fraud.ts')

export interface BeatTopics {
  readonly beats: string
  readonly counts: string
  readonly deadLetters: string
}

export function beatTopicsOf(group: string): BeatTopics {
  return {
    beats: `${group}-beats`,
    counts: `${group}-beat-counts`,
    deadLetters: `${group}-beats.dlq`,
  }
}

/** All of a group's. */
export function topicNames(group: string): string[] {
  return [...Object.values(topicsOf(group)), ...Object.values(beatTopicsOf(group))]
}

/** A checkout's topology of the payments. */
export function paymentTopology(root = ROOT, file = CARD_FRAUD): string {
  return join(root, file)
}

/** For `run` to work on the beats as well, by the topology of a checkout. */
export function beatArguments(group: string, root = ROOT): string[] {
  const topics = beatTopicsOf(group)
  return [
    join(root, SOAK_TOPOLOGIES, 'beats.ts'),
    ...['--topic', `beats=${topics.beats}`],
    ...['--topic', `beat-counts=${topics.counts}`],
    ...['--topic', `beats.dlq=${topics.deadLetters}`],
  ]
}
