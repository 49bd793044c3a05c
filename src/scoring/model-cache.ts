import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { cpus, homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { onnxRuntimeVersion } from './onnx-session.ts'

/** Something that can be found out about a model, and takes time. */
export interface Finding<T> {
  /** Findings of a kind are in one folder. */
  readonly kind: 'trees' | 'costs' | 'row-orders'
  /** What it holds for, beside this machine and this version of ONNX Runtime. Goes through JSON. */
  readonly holdsFor: object
  /** What was kept, as it is read again; `null`: it is not what was kept. */
  read(kept: unknown): T | null
  find(): Promise<T>
  /** @default every finding is */
  isWorthKeeping?(found: T): boolean
}

/**
 * What earlier starts found out about models: one small file a finding, whose name says all that it
 * holds for.
 */
export class ModelCache {
  readonly #folder: string | null
  /** What could not be written, by kind and name. */
  readonly #memory = new Map<string, unknown>()
  #machine: Machine | null = null

  /** @param folder `null`: findings are kept in memory only */
  constructor(folder: string | null) {
    this.#folder = folder
  }

  /**
   * What was found before, else what is found now, which is then kept. @throws what `find` throws
   */
  async known<T>(finding: Finding<T>): Promise<T> {
    const place = join(finding.kind, `${this.#nameOf(finding.holdsFor)}.json`)
    const known = finding.read(await this.#kept(place))
    if (known !== null) return known
    const found = await finding.find()
    if (finding.isWorthKeeping?.(found) ?? true) await this.#keep(place, found)
    return found
  }

  async #kept(place: string): Promise<unknown> {
    if (this.#memory.has(place) || this.#folder === null) return this.#memory.get(place)
    try {
      return JSON.parse(await readFile(join(this.#folder, place), 'utf8'))
    } catch {
      return null
    }
  }

  /** Whole or not at all: another start may be reading. */
  async #keep(place: string, found: unknown): Promise<void> {
    try {
      if (this.#folder === null) throw new Error('there is no folder')
      const file = join(this.#folder, place)
      const aside = `${file}-${process.pid}`
      await mkdir(join(this.#folder, place, '..'), { recursive: true })
      await writeFile(aside, JSON.stringify(found))
      await rename(aside, file)
    } catch {
      this.#memory.set(place, found)
    }
  }

  #nameOf(holdsFor: object): string {
    this.#machine ??= thisMachine()
    const all = JSON.stringify({ ...holdsFor, ...this.#machine })
    return createHash('sha256').update(all).digest('hex')
  }
}

/** In the user's cache folder. @default in memory, for a user who has none */
export function usersModelCache(): ModelCache {
  return new ModelCache(usersFolder())
}

function usersFolder(): string | null {
  try {
    const folder = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
    return isAbsolute(folder) ? join(folder, 'tidemark') : null
  } catch {
    return null
  }
}

/** On what each finding depends. */
interface Machine {
  readonly onnxRuntime: string
  readonly platform: string
  readonly architecture: string
  readonly processor: string | undefined
  readonly cLibrary: string
}

function thisMachine(): Machine {
  const { platform, arch: architecture } = process
  const processor = cpus()[0]?.model
  return {
    onnxRuntime: onnxRuntimeVersion(),
    platform,
    architecture,
    processor,
    cLibrary: cLibrary(),
  }
}

/**
 * It gives exp its last bits. glibc tells its version; of others the platform is all that is known.
 */
function cLibrary(): string {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return header?.glibcVersionRuntime ?? 'another'
}
