import { expect, test } from 'vitest'
import { LATEST_EVENT_TIME_MS } from '../../src/kernel/time.ts'
import {
  MOST_NOTE_BYTES,
  mostNoteBytes,
  packNote,
  unpackNote,
} from '../../src/runtime/restart-note.ts'

/** As many as a worker runs on one source, with names of 100 characters. */
const names = Array.from({ length: 16 }, (_, i) => String(i).padStart(100, 'n'))

/** One topology's, whose numbers are as long as they come. */
const longest = {
  fingerprint: '0123456789ab',
  from: {
    offset: Number.MAX_SAFE_INTEGER,
    newestMs: LATEST_EVENT_TIME_MS - 1,
    idleMs: LATEST_EVENT_TIME_MS - 1,
  },
  idleMs: LATEST_EVENT_TIME_MS,
}

test('what a restart needs to know of sixteen topologies fits beside an offset, and comes back as it was', () => {
  const lastRecord = { offset: Number.MAX_SAFE_INTEGER, checksum: 2 ** 32 - 1 }
  const topologies = new Map(names.map((name) => [name, longest]))
  const note = { partitions: 10_000, lastRecord, topologies }
  const packed = packNote(note)
  expect(unpackNote(packed)).toEqual(note)
  expect(Buffer.byteLength(packed)).toBeLessThanOrEqual(mostNoteBytes(names))
  expect(mostNoteBytes(names)).toBeLessThanOrEqual(MOST_NOTE_BYTES)
})
