// What this driver puts before the worker's own metadata beside an offset (rule C5): whose commit
// it was and its number, so that an outcome that is not known can be told, and a dead owner's
// transaction be ended. One line of JSON, then the worker's.

/** A commit of one partition. */
export interface CommitMark {
  readonly transactionalId: string
  readonly memberId: string
  /**
   * Grows by one with every commit of the partition by this member; 0: it has only been claimed.
   */
  readonly number: number
}

export interface MarkedMetadata {
  /** `null`: it was not committed in a transaction of this driver. */
  readonly mark: CommitMark | null
  readonly metadata: string
}

/** The transactional id as it is. */
const WHOLE = 1
/** Without the group's name, with which it begins. */
const SHORT = 2
/** What brokers take unless told otherwise (`offset.metadata.max.bytes`). */
const MOST_BYTES = 4_096

/** With the worker's metadata behind it: at most 4,096 bytes, however long the group's name is. */
export function withMark(mark: CommitMark, group: string, metadata: string): string {
  const { transactionalId, memberId, number } = mark
  const whole = `${JSON.stringify([WHOLE, transactionalId, memberId, number])}\n${metadata}`
  // Workers from before know no other form; but where the group is named after many topologies
  // there is no room for it.
  if (Buffer.byteLength(whole) <= MOST_BYTES) return whole
  const rest = transactionalId.slice(group.length)
  return `${JSON.stringify([SHORT, rest, memberId, number])}\n${metadata}`
}

/** @param group beside whose offset it stands */
export function readMark(text: string, group: string): MarkedMetadata {
  const end = text.indexOf('\n')
  if (!text.startsWith('[') || end < 0) return { mark: null, metadata: text }
  try {
    const line: unknown = JSON.parse(text.slice(0, end))
    if (!isLine(line)) return { mark: null, metadata: text }
    const [form, id, memberId, number] = line
    const transactionalId = form === SHORT ? `${group}${id}` : id
    return { mark: { transactionalId, memberId, number }, metadata: text.slice(end + 1) }
  } catch {
    return { mark: null, metadata: text }
  }
}

/** Others write what they like beside an offset. */
function isLine(line: unknown): line is [form: number, string, string, number] {
  if (!Array.isArray(line)) return false
  const [form, transactionalId, memberId, number] = line as unknown[]
  return (
    (form === WHOLE || form === SHORT) &&
    typeof transactionalId === 'string' &&
    transactionalId !== '' &&
    typeof memberId === 'string' &&
    Number.isSafeInteger(number) &&
    (number as number) >= 0
  )
}
