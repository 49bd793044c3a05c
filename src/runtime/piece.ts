import { type Made, memoryBytes, wireBytes } from './made.ts'

/** What one task has made of a chunk, or of a part of it. */
export interface Piece {
  readonly outputs: Made
  readonly deadLetters: Made
}

interface Weight {
  /** On the wire. */
  readonly bytes: number
  readonly records: number
}

/** A piece with what it weighs, which is worked out once, as it comes. */
export interface Weighed extends Piece, Weight {
  readonly memoryBytes: number
  readonly topics: readonly TopicShare[]
}

/** What of a piece goes to one topic. */
interface TopicShare {
  readonly topic: string
  records: number
  /** Of values. */
  bytes: number
  /** Timestamp of the oldest record that has one, ms since the epoch; +Infinity if none has. */
  oldestMs: number
}

export function weigh({ outputs, deadLetters }: Piece): Weighed {
  const topics: TopicShare[] = []
  let share: TopicShare | null = null
  let [records, bytes, memory] = [0, 0, 0]
  for (const { records: written } of [outputs, deadLetters]) {
    for (let i = 0; i < written.length; i++) {
      records++
      bytes += wireBytes(written, i)
      memory += memoryBytes(written, i)
      const topic = written.topic(i)
      if (share?.topic !== topic) share = shareOf(topic, topics)
      share.records++
      share.bytes += written.valueBytes(i)
      const timestampMs = written.timestampMs(i)
      // Before 1970 there was nothing: producers have written what is no time at all.
      if (timestampMs >= 0 && timestampMs < share.oldestMs) share.oldestMs = timestampMs
    }
  }
  return { outputs, deadLetters, records, bytes, memoryBytes: memory, topics }
}

/** What came of each record, by its offset; of one, together where it stands together. */
export function weightsByCause(piece: Weighed): [cause: number, Weight][] {
  const made = [piece.outputs, piece.deadLetters].filter(({ causes }) => causes.length > 0)
  const [first] = made
  // One record may close a million windows, and is then the only cause of very many pieces.
  if (made.length === 1 && first?.causes[0] === first?.causes.at(-1)) {
    return [[first?.causes[0] as number, piece]]
  }
  return made.flatMap(weightsOf)
}

function weightsOf({ records, causes }: Made): [cause: number, Weight][] {
  const weights: [number, { bytes: number; records: number }][] = []
  for (const [i, cause] of causes.entries()) {
    let last = weights.at(-1)
    if (last?.[0] !== cause) {
      last = [cause, { bytes: 0, records: 0 }]
      weights.push(last)
    }
    last[1].bytes += wireBytes(records, i)
    last[1].records++
  }
  return weights
}

/** Of a piece what came of records before an offset, or of the others. */
export function cutPiece(
  { outputs, deadLetters }: Piece,
  at: number,
  side: (made: Made, offset: number) => Made,
): Weighed {
  return weigh({ outputs: side(outputs, at), deadLetters: side(deadLetters, at) })
}

/** Most records have the topic of the one before, and a topology writes few. */
function shareOf(topic: string, topics: TopicShare[]): TopicShare {
  const known = topics.find((share) => share.topic === topic)
  if (known !== undefined) return known
  const share = { topic, records: 0, bytes: 0, oldestMs: Number.POSITIVE_INFINITY }
  topics.push(share)
  return share
}
