import type { Memory } from '../../kernel/memory.ts'

/** Where a record lies. */
export interface RecordPlace {
  readonly memory: Memory
  readonly from: number
  readonly to: number
}
