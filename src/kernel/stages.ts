/**
 * The stages of an event's processing, in order; docs/operations.md says what each is. `task`:
 * timed once for each chunk and topology · `worker`: for all topologies together.
 */
export const STAGES = {
  fetch: { of: 'worker' },
  decode: { of: 'task' },
  windows: { of: 'task' },
  wait: { of: 'task' },
  score: { of: 'task' },
  encode: { of: 'task' },
  commit: { of: 'worker' },
} as const satisfies Record<string, { readonly of: 'task' | 'worker' }>

export type Stage = keyof typeof STAGES
export type TaskStage = { [S in Stage]: (typeof STAGES)[S]['of'] extends 'task' ? S : never }[Stage]

/** How long a chunk was in each stage, ms; stages that it did not pass are absent. */
export type StageTimes = Readonly<Partial<Record<TaskStage, number>>>
