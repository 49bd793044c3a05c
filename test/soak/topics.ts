import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { topicsOf } from '../bench/stage.ts'

// The topics of a group that nobody else has, and the flags of `run` that choose them for both topologies.

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Of the topologies, below a checkout. */
export const TOPOLOGIES = 'test/soak/topologies'

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

/** A checkout's card-fraud. */
export function cardFraudOf(root = ROOT): string {
  return join(root, TOPOLOGIES, 'card-fraud.ts')
}

/** For `run` to work on the beats as well, by the topology of a checkout. */
export function beatArguments(group: string, root = ROOT): string[] {
  const topics = beatTopicsOf(group)
  return [
    join(root, TOPOLOGIES, 'beats.ts'),
    ...['--topic', `beats=${topics.beats}`],
    ...['--topic', `beat-counts=${topics.counts}`],
    ...['--topic', `beats.dlq=${topics.deadLetters}`],
  ]
}
