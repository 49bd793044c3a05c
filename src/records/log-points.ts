import { partitionName } from '../kernel/ids.ts'
import type { LogPoint, PartitionOffsets } from './port.ts'

type Log = Omit<PartitionOffsets, 'committed'>

/**
 * The offset of a point in a partition, within its log as it is now.
 * @param since the offsets since the time of the point, by partition name
 */
export function offsetAt(point: LogPoint, of: Log, since: ReadonlyMap<string, number>): number {
  const { lowOffset, endOffset } = of
  if (point === 'earliest') return lowOffset
  if (point === 'latest') return endOffset
  const offset = 'offset' in point ? point.offset : (since.get(partitionName(of)) ?? -1)
  return offset < 0 ? endOffset : Math.min(Math.max(offset, lowOffset), endOffset)
}
