import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDb } from '../../connect/files/duckdb.ts'
import { InputLines } from '../../connect/files/input-lines.ts'
import { ROWS as GROUP_ROWS, type RowRange, withColumns } from '../../connect/files/parquet.ts'
import { PartFiles, type PartSize, partName } from '../../connect/files/part-files.ts'
import { NUMERIC } from '../../connect/files/tabular.ts'
import { WorkFolder } from '../../connect/files/work-folder.ts'
import { Shape } from '../../formats/json/shape.ts'
import { Place } from '../../kernel/bytes.ts'
import { configFault, refuseIfAny, type TidemarkError } from '../../kernel/errors.ts'
import { NO_OUTCOMES } from '../../runtime/output/outcomes.ts'
import { columnNames, type Scorer } from '../../scoring/scorer.ts'
import type { ModelDefinition } from '../../topology/models.ts'
import { type BatchResult, isComplete, type JobContext, publish } from './batch-files.ts'
import type { BatchOptions } from './batch-options.ts'
import { hashedFiles, metadataOf } from './finish.ts'
import { lineBlocks, numberBlocks, type RowBlock } from './row-blocks.ts'

// A model over rows, without a topology: each row with the model's outputs, in the order of the
// files. Parquet that stays Parquet does not go through JSON: its features are read as numbers, and
// the scores are put beside its rows.

const ROWS = 'rows'
const LETTERS = 'dead-letters'
/** Rows of Parquet that are scored before they are written: some row groups. */
const PIECE_ROWS = 8 * GROUP_ROWS

/**
 * Scores rows with a model: all of the output, or nothing.
 * @returns `null`: it was told to stop, and nothing is published
 */
export async function scoreRows(
  { model, scorer }: { readonly model: ModelDefinition; readonly scorer: Scorer },
  options: BatchOptions,
  context: JobContext,
): Promise<BatchResult | null> {
  const folder = await WorkFolder.lock(options.output, { isKept: false })
  try {
    const fieldOf = (name: string) => (model.features.includes(name) ? NUMERIC : null)
    const input = await InputLines.open(options.input, fieldOf, folder.path)
    await isComplete(options, input.files)
    refuseIfAny(columnFaults(input, model))
    return await new ModelRows({ model, scorer, options, folder, input, ...context }).run()
  } finally {
    await folder.release()
  }
}

function columnFaults({ tables }: InputLines, { features, outputs }: ModelDefinition) {
  return tables.flatMap(({ file, columns }): TidemarkError[] => {
    const { path, kind } = file
    const types = new Map(columns.map(({ name, type }) => [name, String(type)]))
    const missing = features.filter((name) => !types.has(name))
    const texts = kind === 'csv' ? [] : features.filter((name) => !isNumber(types.get(name)))
    const fault = (message: string, hint?: string) => configFault(message, path, hint)
    return [
      ...takenFaults(columnNames(outputs), [...types.keys()], path),
      ...(missing.length === 0
        ? []
        : [fault(`lacks ${missing.join(', ')}`, `its columns: ${[...types.keys()].join(', ')}`)]),
      ...texts.map((name) => fault(`"${name}" is ${types.get(name)}, not a number`)),
    ]
  })
}

/** @param type of DuckDB; `undefined`: told already */
function isNumber(type = 'DOUBLE'): boolean {
  return /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DECIMAL\([^)]*\)|FLOAT|DOUBLE)$/.test(type)
}

function takenFaults(outputs: readonly string[], names: readonly string[], where: string) {
  return outputs
    .filter((name) => names.includes(name))
    .map((name) => configFault(`has "${name}" already, an output of the model`, where))
}

interface ModelRowsOptions extends JobContext {
  readonly model: ModelDefinition
  readonly scorer: Scorer
  readonly options: BatchOptions
  readonly folder: WorkFolder
  readonly input: InputLines
}

class ModelRows {
  readonly #o: ModelRowsOptions
  readonly #outputs: readonly string[]
  #rows = 0
  #dead = 0

  constructor(options: ModelRowsOptions) {
    this.#o = options
    this.#outputs = columnNames(options.model.outputs)
  }

  async run(): Promise<BatchResult | null> {
    const { scorer, options, folder, input, report, stop } = this.#o
    const inputs = await hashedFiles(input.files)
    const models = [{ model: scorer.label, sha256: scorer.sha256 }]
    const about = { models, inputs }
    const parts = await PartFiles.open(folder.parts, {})
    const isParquet =
      options.format === 'parquet' && input.files.every(({ kind }) => kind === 'parquet')
    const shape = new Shape()
    const endProgress = report.progress(() => this.#rows)
    let sizes: Readonly<Record<string, PartSize>> = {}
    try {
      if (isParquet) sizes = await this.#scoreTables(parts, about)
      else await this.#scoreLines(parts, shape)
    } finally {
      endProgress()
      input.close()
    }
    if (stop.aborted) return null
    for (const name of this.#outputs) shape.widen({ [name]: 0.5 })
    const letters = new Shape()
    letters.widen({ file: '', row: 1, column: '', message: '' })
    const outcomes = { ...NO_OUTCOMES, scored: this.#rows - this.#dead, dead: this.#dead }
    const whole = { nextOffset: this.#rows, metadata: '', outcomes, isWhole: true }
    const saved = {
      identity: '',
      partitions: { 0: whole },
      sizes: { ...(await parts.sync()), ...sizes },
      kinds: { [ROWS]: shape.fields, [LETTERS]: letters.fields },
    }
    return publish(saved, LETTERS, { options, folder, about, floats: new Map(), report })
  }

  async #scoreLines(parts: PartFiles, shape: Shape): Promise<void> {
    const part = parts.part(partName(ROWS, 0))
    const place = new Place()
    for await (const block of lineBlocks(this.#o.input, this.#o.model.features)) {
      const scores = await this.#score(block, parts)
      for (let row = 0; row < block.rows; row++) {
        const isObject = block.locate(row, place)
        if (isObject) {
          shape.add(place)
          part.room.append(place.memory.bytes.subarray(place.from, place.to - 1))
        }
        const texts = this.#outputs.map((name, i) => {
          const score = scores[i]?.[row] as number
          return `${JSON.stringify(name)}:${Number.isNaN(score) ? null : score}`
        })
        part.room.text(`${isObject ? ',' : '{'}${texts.join(',')}}\n`)
        part.rows++
      }
      refuseIfAny(takenFaults(this.#outputs, Object.keys(shape.fields), block.placeOf(0).file))
      await parts.flush()
      if (this.#o.stop.aborted) return
    }
  }

  /** Scores a piece while the one before it is written. @returns the sizes of the parts */
  async #scoreTables(parts: PartFiles, about: object) {
    const { input, folder, options, stop } = this.#o
    const [reading, writing] = [await DuckDb.open(folder.path), await DuckDb.open(folder.path)]
    const metadata = metadataOf(about)
    const how = { compression: options.compression ?? 'snappy', metadata } as const
    const sizes: Record<string, PartSize> = {}
    await mkdir(join(folder.parts, ROWS), { recursive: true })
    let written = Promise.resolve()
    for (const { file, rows } of input.tables) {
      for (let from = 0; from < rows && !stop.aborted; from += PIECE_ROWS) {
        const range = { path: file.path, from, to: Math.min(rows, from + PIECE_ROWS) }
        const [columns] = await Promise.all([this.#columnsOf(range, reading, parts), written])
        const name = partName(ROWS, Object.keys(sizes).length).replace('ndjson', 'parquet')
        sizes[name] = { rows: range.to - from, bytes: 0, labelled: 0 }
        const to = join(folder.parts, name)
        written = withColumns({ rows: range, to }, writing, { columns, ...how })
      }
    }
    await written
    for (const duckdb of [reading, writing]) duckdb.close()
    return sizes
  }

  async #columnsOf(range: RowRange, duckdb: DuckDb, parts: PartFiles) {
    const { model, stop } = this.#o
    const scored = this.#outputs.map(() => new Float64Array(range.to - range.from))
    let at = 0
    for await (const block of numberBlocks(range, duckdb, model.features)) {
      const scores = await this.#score(block, parts)
      for (const [i, column] of scores.entries()) scored[i]?.set(column, at)
      at += block.rows
      await parts.flush()
      if (stop.aborted) break
    }
    return new Map(this.#outputs.map((name, i) => [name, scored[i] as Float64Array]))
  }

  /** By output, the scores of the rows; NaN: the row has none, and is a dead letter. */
  async #score(block: RowBlock, parts: PartFiles): Promise<readonly Float64Array[]> {
    const { model, scorer } = this.#o
    const { features } = model
    const width = features.length
    const rows = new Float32Array(block.rows * width)
    const unfit = new Int32Array(block.rows).fill(-1)
    for (const [i, column] of block.columns.entries()) {
      for (let row = 0, at = i; row < block.rows; row++, at += width) {
        const value = column[row]
        const number = typeof value === 'number' ? value : Number.POSITIVE_INFINITY
        rows[at] = value === null ? Number.NaN : number
        if (Math.abs(rows[at] as number) === Number.POSITIVE_INFINITY && unfit[row] === -1) {
          unfit[row] = i
        }
      }
    }
    const taken = new Int32Array(block.rows)
    let count = 0
    for (let row = 0; row < block.rows; row++) {
      const i = unfit[row] as number
      if (i < 0) {
        if (count < row) rows.copyWithin(count * width, row * width, (row + 1) * width)
        taken[count++] = row
        continue
      }
      const isMissing = block.columns[i]?.[row] === undefined
      const message = isMissing ? 'is missing' : 'is not a number that a float32 can hold'
      this.#setAside(block.placeOf(row), parts, { column: features[i] as string, message })
    }
    const { columns } = await scorer.score(rows.subarray(0, count * width), count)
    const scores = columns.map(() => new Float64Array(block.rows).fill(Number.NaN))
    for (let at = 0; at < count; at++) {
      const row = taken[at] as number
      const unscored = columns.findIndex((column) => !Number.isFinite(column[at]))
      if (unscored < 0) {
        for (const [i, column] of scores.entries()) column[row] = columns[i]?.[at] as number
      } else {
        const message = 'is no finite number'
        const column = this.#outputs[unscored] as string
        this.#setAside(block.placeOf(row), parts, { column, message })
      }
    }
    this.#rows += block.rows
    return scores
  }

  #setAside(
    place: ReturnType<RowBlock['placeOf']>,
    parts: PartFiles,
    why: { readonly column: string; readonly message: string },
  ): void {
    const part = parts.part(partName(LETTERS, 0))
    part.room.text(`${JSON.stringify({ ...place, ...why })}\n`)
    part.rows++
    this.#dead++
  }
}
