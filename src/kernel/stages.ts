/** A part of an event's way that is timed. */
interface StageRule {
  /** `task`: once for each chunk and topology · `worker`: for all topologies together. */
  readonly of: 'task' | 'worker'
}

/** The stages of an event's way, in its order. What each is stands in docs/operations.md. */
export const STAGES = {
  fetch: { of: 'worker' },
  decode: { of: 'task' },
  windows: { of: 'task' },
  wait: { of: 'task' },
  score: { of: 'task' },
  encode: { of: 'task' },
  commit: { of: 'worker' },
} as const satisfies Record<string, StageRule>

export type Stage = keyof typeof STAGES
export type TaskStage = { [S in Stage]: (typeof STAGES)[S]['of'] extends 'task' ? S : never }[Stage]

/** How long a chunk was in each stage, ms; without those that it did not pass. */
export type StageTimes = Readonly<Partial<Record<TaskStage, number>>>
