import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { copyFile, link, mkdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { DuckDb } from '../../connect/files/duckdb.ts'
import { toParquet } from '../../connect/files/parquet.ts'
import type { PartSize } from '../../connect/files/part-files.ts'
import type { WorkFolder } from '../../connect/files/work-folder.ts'
import { columnKind, Shape } from '../../formats/json/shape.ts'
import { configFault, messageOf } from '../../kernel/errors.ts'
import { packageVersion } from '../../kernel/node.ts'
import type { Outcomes } from '../../runtime/events.ts'
import { addOutcomes, NO_OUTCOMES } from '../../runtime/output/outcomes.ts'
import type { BatchOptions } from './batch-options.ts'
import type { Saved, SavedPartition } from './job.ts'

// The end of a batch: its parts get their format, their hashes and their name.

type PartInManifest = HashedFile & Omit<PartSize, 'labelled'>

/** Merges the saved work of all workers; for each partition, the worker that came furthest counts. */
export function mergedSaved(all: readonly Saved[], identity: string): Saved {
  const shapes = new Map<string, Shape>()
  for (const { kinds } of all) {
    for (const [folder, fields] of Object.entries(kinds)) {
      const shape = shapes.get(folder) ?? new Shape()
      shapes.set(folder, shape)
      shape.merge(fields)
    }
  }
  const partitions: Record<string, SavedPartition> = {}
  const sizes: Record<string, PartSize> = {}
  for (const saved of all) {
    for (const [partition, state] of Object.entries(saved.partitions)) {
      const before = partitions[partition]
      if (before === undefined || isFurther(state, before)) partitions[partition] = state
    }
    for (const [name, size] of Object.entries(saved.sizes)) {
      if (size.bytes >= (sizes[name]?.bytes ?? 0)) sizes[name] = size
    }
  }
  return {
    identity,
    partitions,
    sizes,
    kinds: Object.fromEntries([...shapes].map(([folder, shape]) => [folder, shape.fields])),
  }
}

function isFurther(a: SavedPartition, b: SavedPartition): boolean {
  return a.nextOffset > b.nextOffset || (a.nextOffset === b.nextOffset && a.isWhole)
}

export function outcomesOf({ partitions }: Saved): Outcomes & { readonly records: number } {
  const outcomes = Object.values(partitions).map((state) => state.outcomes)
  const sum = outcomes.reduce(addOutcomes, NO_OUTCOMES)
  return { records: Object.values(sum).reduce((all, n) => all + n, 0), ...sum }
}

export interface FinishOptions {
  readonly options: BatchOptions
  readonly folder: WorkFolder
  /** Entries of the manifest, and metadata of Parquet, about topology, models and inputs. */
  readonly about: object
  /** By folder, the columns of Parquet that are float32. */
  readonly floats: ReadonlyMap<string, readonly string[]>
}

/** Publishes the parts that the workers have made. */
export async function finish(saved: Saved, options: FinishOptions): Promise<void> {
  const { folder, about } = options
  const parts = await written(saved, options)
  const manifest = { tidemark: packageVersion(), ...about, outcomes: outcomesOf(saved), parts }
  const kept = new Set(parts.map(({ file }) => file.split('/')[0] as string))
  await folder.publish([...kept], manifest)
}

export type HashedFile = Readonly<Record<'file' | 'sha256', string>>

export function hashedFiles(
  files: readonly { readonly path: string }[],
): Promise<readonly HashedFile[]> {
  return Promise.all(files.map(async ({ path }) => ({ file: path, sha256: await sha256Of(path) })))
}

/** Brings parts into their format, as many at a time as there were workers. */
async function written(saved: Saved, finishing: FinishOptions): Promise<PartInManifest[]> {
  const { folder, floats, about } = finishing
  const { format, compression = 'snappy', workers } = finishing.options
  const names = Object.keys(saved.sizes).sort()
  const parts: PartInManifest[] = []
  const lane = async () => {
    const duckdb = format === 'parquet' ? await DuckDb.open(folder.path) : null
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      const { rows } = saved.sizes[name] as PartSize
      const file = duckdb === null ? name : name.replace(/ndjson$/, 'parquet')
      const [from, to] = [join(folder.parts, name), join(folder.path, file)]
      await mkdir(dirname(to), { recursive: true })
      const isDone = duckdb === null || file === name
      if (isDone) await link(from, to).catch(() => copyFile(from, to))
      else {
        const topic = name.split('/')[0] as string
        const fields = Object.entries(saved.kinds[topic] ?? {})
        await toParquet({ from, to }, duckdb, {
          kinds: new Map(fields.map(([field, kinds]) => [field, columnKind(kinds)])),
          floats: new Set(floats.get(topic)),
          compression,
          metadata: metadataOf(about),
        })
      }
      const { size: bytes } = await stat(to)
      parts.push({ file, rows, bytes, sha256: await sha256Of(to) })
    }
    duckdb?.close()
  }
  await Promise.all(Array.from({ length: workers }, lane))
  return parts.sort((a, b) => (a.file < b.file ? -1 : 1))
}

/** `tidemark.inputs` and others, each text as it is and everything else in JSON. */
export function metadataOf(about: object): Readonly<Record<string, string>> {
  const textOf = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))
  const entries = Object.entries(about).map(([name, value]) => [`tidemark.${name}`, textOf(value)])
  return Object.fromEntries(entries)
}

/** @throws TidemarkError `CONFIG_INVALID`: it cannot be read, such as a file of labels */
async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), hash)
  } catch (error) {
    throw configFault(`cannot read the file: ${messageOf(error)}`, path)
  }
  return hash.digest('hex')
}
