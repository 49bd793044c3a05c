import { firstFrom } from '../../src/connect/log-records.ts'
import type { Chunk, Records, Source } from '../../src/connect/port.ts'
import { committingThrough } from '../connect/committing-through.ts'
import { until } from '../services/cluster.ts'
import { type Groups, prepareOnce, startOf, type Through } from './many-groups.ts'

// Workers in a process of their own, each of another group. The workers that are to die do so
// together, when the last of them has come to its end; others work until all is committed. node
// --import tsx workers-until-killed.ts GROUPS ENDS, both JSON

/**
 * Where a worker comes to its end: in the commit of the records from this offset on; `null`: at the
 * end of the log.
 */
export interface End {
  readonly group: string
  readonly offset: number | null
  /** Before that commit, when its outputs are written and no offset is, or at any moment of it. */
  readonly moment: 'before' | 'between' | 'during'
}

/** So many records come together at the offset where it ends. */
const PIECE = 5

const [groups, ends] = process.argv.slice(2).map((text) => JSON.parse(text)) as [Groups, End[]]
const prepared = await prepareOnce()
let living = ends.length

await Promise.all(ends.map(live))
await prepared.close()

async function live(end: End): Promise<void> {
  const through = end.offset === null ? {} : { through: endingAt(end.offset, end.moment) }
  const { worker, records } = startOf(groups, end.group, { prepared, ...through })
  const isThrough = async () => {
    const [offsets] = await records.offsets(end.group, groups.payments)
    return offsets?.committed?.nextOffset === offsets?.endOffset
  }
  await Promise.race([until(`${end.group} through`, isThrough), worker.done])
  await worker.stop()
  await records.close()
}

function endingAt(offset: number, moment: End['moment']): Through {
  return (inner) => {
    let reached = () => {}
    const isReached = new Promise<void>((resolve) => {
      reached = resolve
    })
    const records = committingThrough(inner, async (commit, member) => {
      const next = Math.max(-1, ...commit.nextOffsets.map(({ nextOffset }) => nextOffset))
      if (next <= offset) {
        await member.commit(commit)
        // The records behind it are committed apart.
        if (next === offset) reached()
        return
      }
      if (moment === 'between') await member.commit({ ...commit, nextOffsets: [] })
      if (moment === 'during') void member.commit(commit).catch(() => {})
      living--
      if (living === 0) process.kill(process.pid, 'SIGKILL')
      await new Promise(() => {})
    })
    return inPieces(records, offset, isReached)
  }
}

/**
 * The records before an offset are handed over as one chunk, and those from there on when it is
 * reached, a few at a time.
 */
function inPieces(records: Records, offset: number, isReached: Promise<void>): Records {
  const { source } = records
  const pieces: Source = {
    offsets: (group, topic) => source.offsets(group, topic),
    join: (options) => {
      const { handlers } = options
      const handOver = async (whole: Chunk, after: Chunk['records']) => {
        await isReached
        for (let at = 0; at < after.length; at += PIECE) {
          const piece = after.slice(at, at + PIECE)
          const nextOffset = piece.offsetAt(piece.length - 1) + 1
          handlers.chunk({ ...whole, records: piece, nextOffset })
        }
      }
      const chunk = (whole: Chunk) => {
        const at = firstFrom(whole.records, offset)
        const [before, after] = [whole.records.slice(0, at), whole.records.slice(at)]
        if (before.length > 0)
          handlers.chunk({
            ...whole,
            records: before,
            nextOffset: Math.min(offset, whole.nextOffset),
          })
        void handOver(whole, after)
      }
      return source.join({ ...options, handlers: { ...handlers, chunk } })
    },
  }
  return { ...records, source: pieces }
}
