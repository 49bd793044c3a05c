import type { Memory } from '../../kernel/bytes.ts'

/** Where a record's value is in memory. */
export interface RecordPlace {
  readonly memory: Memory
  readonly from: number
  readonly to: number
}
