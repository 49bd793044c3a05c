import { type Made, memoryBytes, wireBytes } from './output-batch.ts'

/** What one task has produced from a chunk, or from a part of it. */
export interface Piece {
  readonly outputs: Made
  readonly deadLetters: Made
}

interface Weight {
  /** Size on the wire. */
  readonly bytes: number
  readonly records: number
}

/** A piece with its weight, which is computed once, when the piece is added. */
export interface Weighed extends Piece, Weight {
  readonly memoryBytes: number
  readonly topics: readonly TopicShare[]
}

/** The part of a piece that goes to one topic. */
interface TopicShare {
  readonly topic: string
  /** Else it is for what is set aside. */
  readonly isOutput: boolean
  records: number
  /** Size of the values. */
  bytes: number
  /** Timestamp of the oldest record that has one, ms since the epoch; +Infinity: none has. */
  oldestMs: number
}

/** Computes the weight of a piece. */
export function weigh({ outputs, deadLetters }: Piece): Weighed {
  const topics: TopicShare[] = []
  let share: TopicShare | null = null
  let [records, bytes, memory] = [0, 0, 0]
  for (const { records: written } of [outputs, deadLetters]) {
    const isOutput = written === outputs.records
    for (let i = 0; i < written.length; i++) {
      records++
      bytes += wireBytes(written, i)
      memory += memoryBytes(written, i)
      const topic = written.topic(i)
      if (share?.topic !== topic) share = shareOf({ topic, isOutput }, topics)
      share.records++
      share.bytes += written.valueBytes(i)
      const timestampMs = written.timestampMs(i)
      // Nothing is older than 1970: a negative timestamp is what some producer wrote, not a time.
      if (timestampMs >= 0 && timestampMs < share.oldestMs) share.oldestMs = timestampMs
    }
  }
  return { outputs, deadLetters, records, bytes, memoryBytes: memory, topics }
}

/**
 * The weight of the results of each record, by the record's offset; adjacent results of one record
 * are added up.
 */
export function weightsByCause(piece: Weighed): [cause: number, Weight][] {
  const made = [piece.outputs, piece.deadLetters].filter(({ causes }) => causes.length > 0)
  const [first] = made
  // A record may close a million windows, and is then the only cause of a great many results.
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

/** The part of a piece that came from records on one side of an offset. @param side selects it */
export function cutPiece(
  { outputs, deadLetters }: Piece,
  at: number,
  side: (made: Made, offset: number) => Made,
): Weighed {
  return weigh({ outputs: side(outputs, at), deadLetters: side(deadLetters, at) })
}

/** Finds or adds the share of a topic; a topology writes to few topics. */
function shareOf(
  { topic, isOutput }: Pick<TopicShare, 'topic' | 'isOutput'>,
  topics: TopicShare[],
): TopicShare {
  const known = topics.find((share) => share.topic === topic)
  if (known !== undefined) return known
  const share = { topic, isOutput, records: 0, bytes: 0, oldestMs: Number.POSITIVE_INFINITY }
  topics.push(share)
  return share
}
