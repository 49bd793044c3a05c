import { appendFile, mkdir, open, rm, truncate } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ByteRoom } from '../../kernel/bytes.ts'
import { atPath } from '../../kernel/errors.ts'

// Lines of outputs in files, each of which has those of one partition: within it they are in log
// order, and an interrupted run continues where the files were last known to be whole.

/** How much of a part was written. */
export interface PartSize {
  readonly bytes: number
  readonly rows: number
  /** Rows that have a label. */
  readonly labelled: number
}

export type PartSizes = Readonly<Record<string, PartSize>>

/** Bytes of a part, and of all parts, that wait to be written. */
const MOST_WAITING = 2 ** 20
const MOST_WAITING_IN_ALL = 2 ** 24
const FIRST_BYTES = 2 ** 13

/** Lines that are added to {@link room} belong to it; the caller counts them. */
export interface OpenPart {
  readonly room: ByteRoom
  rows: number
  labelled: number
}

interface Part extends OpenPart {
  readonly path: string
  bytes: number
  /** Whether something was written after it was last forced to the disk. */
  isDirty: boolean
}

const PART = /part-(\d+)\.ndjson$/

/** The name of a part, in its folder. */
export function partName(folder: string, partition: number): string {
  return `${folder}/part-${String(partition).padStart(5, '0')}.ndjson`
}

export function partitionOfPart(name: string): number {
  return Number(PART.exec(name)?.[1])
}

export class PartFiles {
  readonly #folder: string
  readonly #parts = new Map<string, Part>()

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** @param sizes of the parts that are kept, by name; later lines in their files are cut off */
  static async open(folder: string, sizes: PartSizes): Promise<PartFiles> {
    const parts = new PartFiles(folder)
    for (const [name, size] of Object.entries(sizes)) {
      const part = Object.assign(parts.#add(name), size)
      await truncate(part.path, part.bytes)
    }
    return parts
  }

  /** @param name of its file, in the folder of a topic */
  part(name: string): OpenPart {
    return this.#parts.get(name) ?? this.#add(name)
  }

  /** Writes the lines that have gathered, where they are many. */
  async flush(): Promise<void> {
    const waiting = [...this.#parts.values()].reduce((sum, { room }) => sum + room.used, 0)
    const least = waiting > MOST_WAITING_IN_ALL ? 1 : MOST_WAITING
    for (const part of this.#parts.values()) if (part.room.used >= least) await this.#write(part)
  }

  /** Writes everything and forces it to the disk. @returns the sizes of the parts by then */
  async sync(): Promise<PartSizes> {
    const sizes: Record<string, PartSize> = {}
    for (const [name, part] of this.#parts) {
      if (part.room.used > 0) await this.#write(part)
      // Nothing was written of it, so there is no file.
      if (part.bytes === 0) continue
      sizes[name] = { bytes: part.bytes, rows: part.rows, labelled: part.labelled }
      if (!part.isDirty) continue
      part.isDirty = false
      const file = await open(part.path, 'r+')
      try {
        await file.sync().catch(atPath(part.path))
      } finally {
        await file.close()
      }
    }
    return sizes
  }

  #add(name: string): Part {
    const path = join(this.#folder, name)
    const room = new ByteRoom(FIRST_BYTES)
    const part = { path, room, bytes: 0, rows: 0, labelled: 0, isDirty: false }
    this.#parts.set(name, part)
    return part
  }

  async #write(part: Part): Promise<void> {
    const { path, room } = part
    if (part.bytes === 0) {
      await mkdir(dirname(path), { recursive: true })
      await rm(path, { force: true })
    }
    await appendFile(path, room.bytes.subarray(0, room.used)).catch(atPath(path))
    part.bytes += room.used
    part.isDirty = true
    room.clear()
  }
}
