import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { topicsOf } from '../bench/stage.ts'

// The topics of one group, which no other group uses, and the flags of `run` that select them for
// both topologies.

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Relative to the root of a checkout. */
export const SOAK_TOPOLOGIES = 'test/soak/topologies'
const CARD_FRAUD = join(SOAK_TOPOLOGIES, 'card-fraud.ts')

/** The topics of the beats' topology. */
export interface BeatTopics {
  readonly beats: string
  readonly counts: string
  readonly deadLetters: string
}

/** The names of a group's beat topics. */
export function beatTopicsOf(group: string): BeatTopics {
  return {
    beats: `${group}-beats`,
    counts: `${group}-beat-counts`,
    deadLetters: `${group}-beats.dlq`,
  }
}

/** All topics of a group. */
export function topicNames(group: string): string[] {
  return [...Object.values(topicsOf(group)), ...Object.values(beatTopicsOf(group))]
}

/** Path of a checkout's topology for the payments. */
export function paymentTopology(root = ROOT, file = CARD_FRAUD): string {
  return join(root, file)
}

/** The arguments with which `run` also runs the beats' topology of a checkout. */
export function beatArguments(group: string, root = ROOT): string[] {
  const topics = beatTopicsOf(group)
  return [
    join(root, SOAK_TOPOLOGIES, 'beats.ts'),
    ...['--topic', `beats=${topics.beats}`],
    ...['--topic', `beat-counts=${topics.counts}`],
    ...['--topic', `beats.dlq=${topics.deadLetters}`],
  ]
}
