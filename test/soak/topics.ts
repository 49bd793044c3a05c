import { fileURLToPath } from 'node:url'
import { topicsOf } from '../bench/stage.ts'

// The topics of a group that nobody else has, and the flags of `run` that choose them for both topologies.

const BEATS = fileURLToPath(new URL('./topologies/beats.ts', import.meta.url))

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

/** For `run` to work on the beats as well. */
export function beatArguments(group: string): string[] {
  const topics = beatTopicsOf(group)
  return [
    BEATS,
    ...['--topic', `beats=${topics.beats}`],
    ...['--topic', `beat-counts=${topics.counts}`],
    ...['--topic', `beats.dlq=${topics.deadLetters}`],
  ]
}
