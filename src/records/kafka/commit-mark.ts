// What this driver puts before the worker's own metadata beside an offset (PROTOCOL C5): whose commit it was and the how manieth, so
// that an outcome that is not known can be told, and a dead owner's transaction be ended. One line of JSON, then the worker's.

/** A commit of one partition. */
export interface CommitMark {
  readonly transactionalId: string
  readonly memberId: string
  /** Grows by one with every commit of the partition by this member; 0: it has only been claimed. */
  readonly number: number
}

export interface MarkedMetadata {
  /** `null`: it was not committed in a transaction of this driver. */
  readonly mark: CommitMark | null
  readonly metadata: string
}

const FORMAT = 1

export function withMark({ transactionalId, memberId, number }: CommitMark, metadata: string) {
  return `${JSON.stringify([FORMAT, transactionalId, memberId, number])}\n${metadata}`
}

export function readMark(text: string): MarkedMetadata {
  const end = text.indexOf('\n')
  if (!text.startsWith('[') || end < 0) return { mark: null, metadata: text }
  try {
    const line: unknown = JSON.parse(text.slice(0, end))
    if (!isLine(line)) return { mark: null, metadata: text }
    const [, transactionalId, memberId, number] = line
    return { mark: { transactionalId, memberId, number }, metadata: text.slice(end + 1) }
  } catch {
    return { mark: null, metadata: text }
  }
}

/** Others write what they like beside an offset. */
function isLine(line: unknown): line is [format: number, string, string, number] {
  if (!Array.isArray(line)) return false
  const [format, transactionalId, memberId, number] = line as unknown[]
  return (
    format === FORMAT &&
    typeof transactionalId === 'string' &&
    transactionalId !== '' &&
    typeof memberId === 'string' &&
    Number.isSafeInteger(number) &&
    (number as number) >= 0
  )
}
