import { describe, expect, test } from 'vitest'
import { type Entry, Ledger, type Piece } from '../../src/runtime/ledger.ts'
import { record } from '../records/listener.ts'

const NOTE = {
  fingerprint: 'f',
  from: { offset: 0, newestMs: 0, idleMs: 0 },
  idleMs: 0,
}

function open(ledger: Ledger, nextOffset: number): Entry {
  return ledger.open({ nextOffset, bytes: 1, lastRecord: null, tasks: 1 })
}

/** A piece with so many outputs. */
function piece(outputs: number): Piece {
  const of = Array.from({ length: outputs }, () => record('scores'))
  return { outputs: of, deadLetters: [], oldestMs: null }
}

/** What a commit with room for so many records would take. */
function taken(ledger: Ledger, room = Number.POSITIVE_INFINITY) {
  const gathered = ledger.gather(room)
  return gathered && { pieces: gathered.pieces.length, nextOffset: gathered.last?.nextOffset }
}

/** Takes it, and succeeds. */
function commit(ledger: Ledger, room = Number.POSITIVE_INFINITY): void {
  const gathered = ledger.gather(room)
  if (gathered !== null) ledger.committed(gathered)
}

/** Has it been resolved, after all that is due? */
async function isOver(work: Promise<void>): Promise<boolean> {
  let over = false
  void work.then(() => (over = true))
  await new Promise((resolve) => setImmediate(resolve))
  return over
}

describe('exactly once', () => {
  test('a chunk is taken whole or not at all', () => {
    const ledger = new Ledger('exactly-once')
    const entry = open(ledger, 5)
    entry.pieces.push(piece(1), piece(1))
    expect(taken(ledger)).toBeNull()
    entry.done('t', NOTE)
    expect(taken(ledger)).toEqual({ pieces: 2, nextOffset: 5 })
  })

  test('also one that is larger than a commit should be; the next one waits', () => {
    const ledger = new Ledger('exactly-once')
    for (const nextOffset of [5, 6]) {
      const entry = open(ledger, nextOffset)
      entry.pieces.push(piece(3), piece(3), piece(3))
      entry.done('t', NOTE)
    }
    expect(taken(ledger, 4)).toEqual({ pieces: 3, nextOffset: 5 })
    commit(ledger, 4)
    expect(taken(ledger, 4)).toEqual({ pieces: 3, nextOffset: 6 })
  })

  test('one that makes many pieces does not wait for itself, only for those before it', async () => {
    const ledger = new Ledger('exactly-once')
    const [before, entry] = [open(ledger, 5), open(ledger, 6)]
    before.pieces.push(piece(1), piece(1), piece(1))
    before.done('t', NOTE)
    entry.pieces.push(...Array.from({ length: 100 }, () => piece(1)))
    const room = entry.room(2)
    expect(await isOver(room)).toBe(false)
    commit(ledger)
    expect(await isOver(room)).toBe(true)
  })
})

describe('at least once', () => {
  test('pieces go before their chunk is finished, as far as there is room', () => {
    const ledger = new Ledger('at-least-once')
    const entry = open(ledger, 5)
    entry.pieces.push(piece(3), piece(3), piece(3))
    expect(taken(ledger, 4)).toEqual({ pieces: 2, nextOffset: undefined })
    entry.done('t', NOTE)
    expect(taken(ledger, 4)).toEqual({ pieces: 2, nextOffset: undefined })
    expect(taken(ledger)).toEqual({ pieces: 3, nextOffset: 5 })
  })

  test('a chunk that makes many pieces waits until they are written', async () => {
    const ledger = new Ledger('at-least-once')
    const entry = open(ledger, 5)
    entry.pieces.push(piece(1), piece(1), piece(1))
    const room = entry.room(2)
    expect(await isOver(room)).toBe(false)
    commit(ledger, 1)
    expect(await isOver(room)).toBe(true)
  })
})
