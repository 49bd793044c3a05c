import { mkdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Shape } from '../../formats/json/shape.ts'
import { Place } from '../../kernel/bytes.ts'
import { configFault, refuseIfAny, type TidemarkError } from '../../kernel/errors.ts'
import { DuckDb } from '../../records/files/duckdb.ts'
import { InputLines } from '../../records/files/input-lines.ts'
import { ROWS as GROUP_ROWS, type RowRange, withColumns } from '../../records/files/parquet.ts'
import {
  PartFiles,
  type PartSize,
  partitionOfPart,
  partName,
} from '../../records/files/part-files.ts'
import type { TabularFile } from '../../records/files/tabular.ts'
import { WorkFolder } from '../../records/files/work-folder.ts'
import { NO_OUTCOMES } from '../../runtime/output/outcomes.ts'
import { loadSingle } from '../../scoring/models.ts'
import { columnNames, type Scorer } from '../../scoring/scorer.ts'
import type { ModelDefinition } from '../../topology/models.ts'
import type { StopRequest } from '../exit.ts'
import { BATCH_MS } from '../model-evaluate.ts'
import { modelOfFile } from '../model-of-file.ts'
import { sayNotes } from '../print.ts'
import { showProgress } from '../progress.ts'
import type { Values } from '../settings.ts'
import { identityOf, publishWhole } from './batch-files.ts'
import { hashedFiles } from './finish.ts'
import type { BatchFlags, Saved } from './job.ts'
import { alignScores, lineRows, type RowBlock, type RowFault, tableRows } from './row-blocks.ts'

// A model over rows, without a topology: each row with the model's outputs, in the order of the
// files. Parquet that stays Parquet does not go through JSON: its features are read as numbers, and
// the scores are joined to the rows.

const ROWS = 'rows'
const LETTERS = 'dead-letters'
const FEATURE = { kinds: new Set(['number'] as const), mayBeNull: true, mayBeAbsent: false }
const OUTPUT = { kind: 'number', mayBeNull: true } as const
const TEXT = { kind: 'text', mayBeNull: true } as const
const LETTER = {
  ...{ file: TEXT, row: { kind: 'integer', mayBeNull: false } as const },
  ...{ column: TEXT, code: TEXT, message: TEXT },
}
/** Rows of Parquet that are scored before they are written: some row groups. */
const PIECE_ROWS = 8 * GROUP_ROWS
/** Types of DuckDB that a feature may have. */
const NUMBERS = /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DECIMAL|FLOAT|DOUBLE)/

interface Asked {
  readonly flags: BatchFlags
  readonly evaluator: Values['evaluator']
}

/** Scores rows with the model of a file: all of the output, or nothing. */
export async function scoreRows(
  file: string,
  { flags, evaluator = 'auto' }: Asked,
  ended: StopRequest,
): Promise<void> {
  const model = await modelOfFile(file)
  const { scorer, notes } = await loadSingle(model, { evaluator, latencyBudgetMs: BATCH_MS })
  try {
    sayNotes(notes)
    const folder = await WorkFolder.lock(flags.output, { isKept: flags.resume })
    try {
      const fieldOf = (name: string) => (model.features.includes(name) ? FEATURE : null)
      const input = await InputLines.open(flags.input, fieldOf, folder.path)
      refuseIfAny([...input.tables.values()].flatMap((table) => columnFaults(table, model)))
      await publish({ model, scorer, flags, folder, input, ended })
    } finally {
      await folder.release()
    }
  } finally {
    await scorer.close()
  }
}

function columnFaults({ file, columns }: TabularFile, model: ModelDefinition): TidemarkError[] {
  const { path, kind } = file
  const types = new Map(columns.map(({ name, type }) => [name, type]))
  const missing = model.features.filter((name) => !types.has(name))
  const others = model.features.filter((name) => !NUMBERS.test(types.get(name) ?? 'DOUBLE'))
  const hint = `its columns: ${[...types.keys()].join(', ')}`
  return [
    ...(missing.length === 0 ? [] : [configFault(`lacks ${missing.join(', ')}`, path, hint)]),
    ...(kind === 'csv' ? [] : others).map((name) =>
      configFault(`"${name}" is ${types.get(name)}, not a number`, path),
    ),
    ...columnNames(model.outputs)
      .filter((output) => types.has(output))
      .map((output) => takenFault(output, path)),
  ]
}

function takenFault(output: string, path: string | undefined): TidemarkError {
  return configFault(`has "${output}" already, which is an output of the model`, path)
}

interface ModelRows {
  readonly model: ModelDefinition
  readonly scorer: Scorer
  readonly flags: BatchFlags
  readonly folder: WorkFolder
  readonly input: InputLines
  readonly ended: StopRequest
}

async function publish(rows: ModelRows): Promise<void> {
  const { model, scorer, flags, folder, input } = rows
  const inputs = await hashedFiles(input.files)
  const models = [{ model: scorer.label, sha256: scorer.sha256 }]
  const metadata = { 'tidemark.model': scorer.label, 'tidemark.inputs': JSON.stringify(inputs) }
  await publishWhole({
    job: {
      ...{ flags, workers: 1 },
      identity: identityOf([models, model.features, model.outputs, inputs, flags.format]),
    },
    folder,
    deadLetters: LETTERS,
    work: async (before) => {
      const parts = await PartFiles.open(folder.parts, before.sizes)
      return new RowScoring({ ...rows, metadata, parts, before }).run()
    },
    about: { models, inputs },
    floats: new Set(),
    metadata,
  })
}

/** Rows of the input that become one part of the output. */
interface Piece extends RowRange {
  readonly number: number
  /** The number of their file. */
  readonly file: number
}

/** Scores of the rows of a piece. */
interface ScoredPiece {
  readonly piece: Piece
  readonly rows: number
  readonly dead: number
  /** By output; empty: they are written already. */
  readonly columns: ReadonlyMap<string, Float64Array>
}

interface RowScoringOptions extends ModelRows {
  readonly metadata: Readonly<Record<string, string>>
  readonly parts: PartFiles
  readonly before: Saved
}

class RowScoring {
  readonly #o: RowScoringOptions
  readonly #outputs: readonly string[]
  readonly #isParquet: boolean
  readonly #pieces: readonly Piece[]
  /** The columns of lines. */
  readonly #shape: Shape
  /** By the numbers of the pieces that are whole. */
  readonly #whole: Record<number, Saved['partitions'][string]>
  /** Of the parts that are written as Parquet at once. */
  readonly #sizes: Record<string, PartSize> = {}
  readonly #place = new Place()
  #rows = 0

  constructor(options: RowScoringOptions) {
    const { model, before, input, flags } = options
    this.#o = options
    this.#outputs = columnNames(model.outputs)
    this.#isParquet =
      flags.format === 'parquet' && input.files.every(({ kind }) => kind === 'parquet')
    this.#pieces = piecesOf(input, this.#isParquet)
    const known = Object.entries(before.kinds[ROWS] ?? {})
    this.#shape = new Shape(
      Object.fromEntries(known.filter(([name]) => !this.#outputs.includes(name))),
    )
    this.#whole = { ...before.partitions }
  }

  /**
   * Scores a piece while the one before it is written.
   * @returns whether all of it is done; false: it was told to stop
   */
  async run(): Promise<boolean> {
    const { input } = this.#o
    const rows = this.#pieces.reduce((sum, { from, to }) => sum + to - from, 0)
    const share = () => (this.#isParquet ? this.#rows / rows : input.share)
    const endProgress = showProgress(() => this.#rows, share)
    try {
      let writing = Promise.resolve()
      for (const piece of this.#pieces.filter(({ number }) => !(number in this.#whole))) {
        const [scored] = await Promise.all([this.#score(piece), writing])
        await this.#save()
        if (scored === null) return false
        writing = this.#write(scored)
      }
      await writing
      await this.#save()
      return true
    } finally {
      endProgress()
      input.close()
    }
  }

  /** @returns `null`: it was told to stop */
  async #score(piece: Piece): Promise<ScoredPiece | null> {
    const { model, scorer, input, parts, folder, ended } = this.#o
    const { features } = model
    const duckdb = this.#isParquet ? await DuckDb.open(folder.path) : null
    const outputs = duckdb === null ? [] : this.#outputs
    const columns = new Map(
      outputs.map((name) => [name, new Float64Array(piece.to - piece.from)] as const),
    )
    let rows = 0
    let dead = 0
    try {
      const blocks =
        duckdb === null ? lineRows(input, piece.file, features) : tableRows(piece, duckdb, features)
      for await (const block of blocks) {
        const count = block.features.length / features.length
        const scores = alignScores(block, await scorer.score(block.features, count), this.#outputs)
        if (duckdb === null) this.#writeLines(piece, block, scores.columns)
        for (const [i, column] of [...columns.values()].entries()) {
          column.set(scores.columns[i] as Float64Array, rows)
        }
        if (scores.faults.size > 0) this.#writeLetters(piece, block, scores.faults)
        rows += block.rows
        dead += scores.faults.size
        this.#rows += block.rows
        await parts.flush()
        if (ended.hasCome) return null
      }
    } finally {
      duckdb?.close()
    }
    return { piece, rows, dead, columns }
  }

  #writeLines(piece: Piece, block: RowBlock, columns: readonly Float64Array[]): void {
    const part = this.#o.parts.part(partName(ROWS, piece.number))
    const { room } = part
    const place = this.#place
    const names = this.#outputs.map((name) => `${JSON.stringify(name)}:`)
    for (let row = 0; row < block.rows; row++) {
      const isJson = block.locate(row, place)
      if (isJson) {
        this.#shape.add(place)
        room.append(place.memory.bytes.subarray(place.from, place.to - 1))
      }
      const scores = names.map((name, i) => {
        const score = columns[i]?.[row] as number
        return `${name}${Number.isNaN(score) ? null : score}`
      })
      room.text(`${isJson ? ',' : '{'}${scores.join(',')}}\n`)
    }
    part.rows += block.rows
    const taken = this.#outputs.filter((name) => name in this.#shape.fields)
    refuseIfAny(taken.map((name) => takenFault(name, piece.path)))
  }

  #writeLetters(piece: Piece, block: RowBlock, faults: ReadonlyMap<number, RowFault>): void {
    const part = this.#o.parts.part(partName(LETTERS, piece.number))
    for (const [row, { column, code, message }] of [...faults].sort(([a], [b]) => a - b)) {
      const place = { file: piece.path, row: block.numberOf(row), column }
      part.room.text(`${JSON.stringify({ ...place, code, message })}\n`)
      part.rows++
    }
  }

  async #write({ piece, rows, dead, columns }: ScoredPiece): Promise<void> {
    const { folder, flags, metadata } = this.#o
    if (columns.size > 0) {
      const name = partName(ROWS, piece.number).replace(/ndjson$/, 'parquet')
      const to = join(folder.parts, name)
      await mkdir(dirname(to), { recursive: true })
      const duckdb = await DuckDb.open(folder.path)
      const { compression } = flags
      await withColumns({ rows: piece, to }, duckdb, { columns, compression, metadata })
      duckdb.close()
      this.#sizes[name] = { rows, bytes: (await stat(to)).size }
    }
    const outcomes = { ...NO_OUTCOMES, scored: rows - dead, dead }
    this.#whole[piece.number] = { nextOffset: rows, metadata: '', outcomes, isWhole: true }
  }

  async #save(): Promise<void> {
    const { folder, parts, before } = this.#o
    const all = { ...(await parts.sync()), ...this.#sizes }
    const sizes = Object.entries(all).filter(([name]) => partitionOfPart(name) in this.#whole)
    const outputs = Object.fromEntries(this.#outputs.map((name) => [name, OUTPUT]))
    await folder.save(0, {
      identity: before.identity,
      partitions: this.#whole,
      sizes: Object.fromEntries(sizes),
      kinds: { [ROWS]: { ...this.#shape.fields, ...outputs }, [LETTERS]: LETTER },
    } satisfies Saved)
  }
}

/** A piece for each file, or several for a file of Parquet that stays Parquet. */
function piecesOf({ files, tables }: InputLines, isParquet: boolean): Piece[] {
  const ranges = [...files.entries()].flatMap(([file, of]) => {
    const rows = tables.get(of)?.rows ?? 0
    const starts = Array.from({ length: Math.ceil(rows / PIECE_ROWS) }, (_, i) => i * PIECE_ROWS)
    const { path } = of
    if (!isParquet) return [{ path, file, from: 0, to: rows }]
    return starts.map((from) => ({ path, file, from, to: Math.min(rows, from + PIECE_ROWS) }))
  })
  return ranges.map((range, number) => ({ ...range, number }))
}
