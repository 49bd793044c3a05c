// What this driver puts before the worker's own metadata of an offset (rule C5): who committed it
// and the number of the commit, so that an unknown outcome can be determined and a dead owner's
// transaction can be ended. One line of JSON, followed by the worker's metadata.

/** Identifies a commit of one partition. */
export interface CommitMark {
  readonly transactionalId: string
  readonly memberId: string
  /** Grows by one with every commit of the partition by this member; 0: only claimed so far. */
  readonly number: number
}

/** The metadata of an offset, split into the driver's part and the worker's. */
export interface MarkedMetadata {
  /** `null`: not committed in a transaction of this driver. */
  readonly mark: CommitMark | null
  readonly metadata: string
}

/** Format in which the transactional id is complete. */
const WHOLE = 1
/** Format in which the transactional id lacks the group's name, with which it begins. */
const SHORT = 2
/** The brokers' default limit (`offset.metadata.max.bytes`). */
const MOST_BYTES = 4_096

/**
 * Puts a mark before the worker's metadata. The result has at most 4,096 bytes, however long the
 * group's name is.
 */
export function withMark(mark: CommitMark, group: string, metadata: string): string {
  const { transactionalId, memberId, number } = mark
  const whole = `${JSON.stringify([WHOLE, transactionalId, memberId, number])}\n${metadata}`
  // Older workers know only this format; but when the group is named after many topologies, it does
  // not fit.
  if (Buffer.byteLength(whole) <= MOST_BYTES) return whole
  const rest = transactionalId.slice(group.length)
  return `${JSON.stringify([SHORT, rest, memberId, number])}\n${metadata}`
}

/**
 * Splits the metadata of an offset.
 * @param group the group that committed it
 */
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

/** Checks the format: other clients may write any metadata. */
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
