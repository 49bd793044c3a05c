import { type Mutant, mutantOf, type Row } from './mutant.ts'

// Mistakes in what windows hold and give, each one edit and the test that catches it.

const ENGINE = 'test/engine/engine.test.ts'
const AHEAD = 'test/engine/store/cells-ahead.test.ts'
const COLUMNS = 'test/engine/store/event-columns.test.ts'
const WALK = 'test/engine/store/window-walk.test.ts'
const TUMBLING = 'test/engine/tumbling.test.ts'
const HISTORY = 'test/engine/store/history.test.ts'
const DEDUPE = 'test/engine/dedupe.test.ts'
const WORDS = 'test/engine/words.property.test.ts'
const RESTART = 'test/golden/restart.test.ts'

const ROWS: readonly Row[] = [
  [
    'a number that no float32 can hold enters windows',
    [
      'engine/store/event-columns.ts',
      "precision === 'float32' ? isFiniteFloat32 : Number.isFinite",
      'Number.isFinite',
    ],
    [COLUMNS, 'a cell that a window cannot hold is told'],
  ],
  [
    'a number that no float32 can hold enters windows where columns are read ahead',
    ['engine/store/event-columns.ts', ' || !this.#isHeld(number)', ''],
    [AHEAD, 'events that are read ahead come to the same'],
  ],
  [
    'a text that was read ahead is held by nobody',
    ['engine/store/event-columns.ts', 'dictionary.hold(this.#numbers[column - 1] as number)', ''],
    [AHEAD, 'events that are read ahead come to the same'],
  ],
  [
    'an event that comes late among settled blocks is not in what they come to',
    ['engine/store/older-blocks.ts', 'if (timeMs < this.unsettledMs) this.settledVersion++', ''],
    [WALK, 'is what its events come to'],
  ],
  [
    'a block that is settled is not in what settled blocks come to',
    [
      'engine/store/older-blocks.ts',
      'this.#unsettled = this.#layout.sizes.unsettled\n    this.settledVersion++',
      'this.#unsettled = this.#layout.sizes.unsettled',
    ],
    [WALK, 'is what its events come to'],
  ],
  [
    'what settled blocks come to is kept when the edge has moved past them',
    ['engine/store/settled-span.ts', ' && edgeMs < this.#upToMs', ''],
    [WALK, 'is what its events come to'],
  ],
  [
    'links within the blocks near an edge count as older',
    [
      'engine/store/settled-span.ts',
      'Math.max(this.#fromMs, older.newestPrunedMs)',
      'Math.max(afterMs, older.newestPrunedMs)',
    ],
    [WALK, 'is what its events come to'],
  ],
  [
    'the newest texts are not looked up again after one that came late',
    ['engine/store/history.ts', 'this.older.newestTexts?.reset(this)\n    } else', '} else'],
    [WALK, 'is what its events come to'],
  ],
  [
    'blocks that are gone keep their room',
    ['engine/store/history.ts', 'this.older.free()', ''],
    [HISTORY, 'gives back every text and all room when its events are gone'],
  ],
  [
    'a group that is gone keeps its room',
    ['engine/store/older-blocks.ts', 'this.groups.shift()?.free()', 'this.groups.shift()'],
    [HISTORY, 'gives back every text and all room when its events are gone'],
  ],
  [
    'a key that is gone keeps its room',
    [
      'engine/store/history.ts',
      'this.newestMs\n    this.#layout.slabs.giveBack(this.place, numbersOf(this.#layout, this.capacity))',
      'this.newestMs',
    ],
    [HISTORY, 'a key that is evicted gives back all its room'],
  ],
  [
    'tumbling windows refuse what only a float64 can hold',
    [
      'engine/operators/tumbling/tumbling-windows.ts',
      "precision: 'float64'",
      "precision: 'float32'",
    ],
    [TUMBLING, 'a number that only a float64 can hold is summed'],
  ],
  [
    'infinity reaches a model that takes missing values',
    ['topology/graph.ts', "(Number.isNaN(value) && missing === 'nan')", "missing === 'nan'"],
    [ENGINE, 'an infinite feature reaches no model'],
  ],
  [
    'NaN reaches a model that takes no missing values',
    ['topology/graph.ts', "(Number.isNaN(value) && missing === 'nan')", 'Number.isNaN(value)'],
    [ENGINE, 'a missing value reaches only a model that takes it'],
  ],
  [
    'a window includes what is exactly its length old',
    [
      'engine/store/window-walk.ts',
      'Math.max(timeMs - window.lengthMs, floorMs)',
      'Math.max(timeMs - window.lengthMs - 1, floorMs)',
    ],
    ['test/engine/engine.property.test.ts', 'every row has the same float32 bits'],
  ],
  [
    'a late event enters windows',
    [
      'engine/operators/features/feature-rows.ts',
      'const enters = (this.#isKind[k] as boolean) && !isBehind',
      'const enters = this.#isKind[k] as boolean',
    ],
    [ENGINE, 'is scored on the windows as they are where onLate is score'],
  ],
  [
    'seconds since the last reach beyond their window',
    [
      'engine/store/keyed-windows.ts',
      'isKnown && previousMs > afterMs ? elapsed : empty',
      'isKnown ? elapsed : empty',
    ],
    [ENGINE, 'knows nothing before its window'],
  ],
  [
    'an event that lacks a column is of its kind',
    [
      'engine/store/keyed-windows.ts',
      'if (this.#has !== null && isMissing(readColumn(this.#has, events, index))) return false',
      '',
    ],
    ['test/engine/missing.test.ts', 'leaves out the events that lack it'],
  ],
  [
    'a window before an event leaves out those of its own time',
    [
      'engine/store/keyed-windows.ts',
      'this.#before.write(history, timeMs, watermarkMs - this.#longestMs, row)',
      'this.#before.write(history, timeMs - 1, watermarkMs - this.#longestMs, row)',
    ],
    [WORDS, 'before'],
  ],
  [
    'the previous value is that of the event itself',
    [
      'engine/store/range-query.ts',
      'return this.#cell(column, this.#upTo - n)',
      'return this.ownCell(column)',
    ],
    [WORDS, 'previous'],
  ],
  [
    'derived features are computed from rounded numbers',
    [
      'engine/operators/derive.ts',
      'const error = this.#derive(before.exact, index)',
      'const error = this.#derive(before.exact.map(Math.fround), index)',
    ],
    ['test/testing/derive.test.ts', 'is computed from numbers that are not rounded'],
  ],
  [
    'the offset of a time has the other sign',
    ['kernel/iso-time.ts', 'return sign === PLUS ?', 'return sign === MINUS ?'],
    ['test/kernel/iso-time.test.ts', 'every time is read as it was written'],
  ],
  [
    'a window closes one millisecond early',
    [
      'engine/watermark.ts',
      'return endMs + graceMs <= watermarkMs',
      'return endMs + graceMs <= watermarkMs + 1',
    ],
    [TUMBLING, 'a window closes when the watermark passes its end, and not before'],
  ],
  [
    'no window is counted as closed',
    ['engine/run.ts', 'if (windows > 0)', 'if (windows < 0)'],
    ['test/runtime/output/outcomes.test.ts', 'windows that closed are counted by their step'],
  ],
  [
    "a row is made as of the batch's last watermark",
    [
      'engine/operators/features/feature-rows.ts',
      'moment.watermarkMs = batch.watermarksMs[index] as number',
      'moment.watermarkMs = batch.watermarksMs.at(-1) as number',
    ],
    ['test/engine/engine.property.test.ts', 'every row has the same float32 bits'],
  ],
  [
    'the number of a key is used again while its event is on its way',
    [
      'engine/store/dictionary.ts',
      'if (left === 0) this.#unheld.push(number)',
      'this.#unheld.push(number)\n    if (left === 0) this.expire()',
    ],
    ['test/runtime/replay.property.test.ts', 'closed windows, and rows over them, are the same'],
  ],
  [
    'a text is forgotten that a window holds',
    ['engine/store/dictionary.ts', 'if (this.#holders[number] !== 0) continue', ''],
    ['test/engine/store/dictionary.test.ts', 'held cells have numbers of their own'],
  ],
  [
    'a duplicate does not count for what comes after it',
    [
      'engine/operators/dedupe/seen-ids.ts',
      'if (joins && timeMs > (page[at + TO] as number)) page[at + TO] = timeMs',
      '',
    ],
    [DEDUPE, 'also of another duplicate'],
  ],
  [
    'an older time of an id hides behind a newer one',
    ['engine/operators/dedupe/seen-ids.ts', 'page[at + OLDER] = older', 'page[at + OLDER] = NONE'],
    [DEDUPE, 'of either of two that are apart'],
  ],
  [
    'an id is forgotten while a tumbling window still takes its events',
    [
      'engine/operators/dedupe/dedupe.ts',
      'withinMs + Math.max(0, ...openMs)',
      'withinMs + Math.min(0, ...openMs)',
    ],
    [DEDUPE, 'unless a tumbling window behind the step still takes it'],
  ],
  [
    'a late event is compared as if it were not',
    ['engine/operators/dedupe/dedupe.ts', 'if (!this.#isLate(batch, index)) return', 'return'],
    [DEDUPE, 'an event behind the watermark is late before it is a duplicate'],
  ],
  [
    'a replay reaches back no further where there is a dedupe step',
    ['engine/operators/dedupe/dedupe.ts', 'delayMs: withinMs', 'delayMs: 0'],
    ['test/runtime/replay.property.test.ts', 'a replay begins so far back that it finds'],
  ],
  [
    'a replay begins a record too late',
    ['runtime/partition/task.ts', 'this.plan.from.offset)', 'this.plan.from.offset + 1)'],
    [RESTART, 'the next worker goes on as one run does'],
  ],
  [
    'a commit that ends within a chunk skips a record',
    ['runtime/commit/in-flight.ts', 'chunk.at(before)', 'chunk.at(before + 1)'],
    [RESTART, 'the next worker goes on as one run does'],
  ],
]

export const WINDOWS: readonly Mutant[] = ROWS.map(mutantOf)
