import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { cpus, homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { replaceFile } from '../kernel/node.ts'
import { onnxRuntimeVersion } from './onnx-runtime.ts'

export interface Finding<T> {
  /** Name of their folder. */
  readonly kind: 'trees' | 'costs'
  /** All it depends on besides this machine and ONNX Runtime's version; survives JSON. */
  readonly dependsOn: object
  /** @returns `null` if it is not valid */
  read(kept: unknown): T | null
  find(): Promise<T>
  /** @default every finding is */
  isWorthKeeping?(result: T): boolean
}

/** Findings about models, in small files named by a hash of all that each depends on. */
export class ModelCache {
  /** `null`: findings are kept in memory only. */
  readonly folder: string | null
  /** Findings so far, also those that could not be written. */
  readonly #results = new Map<string, Promise<unknown>>()
  #machine: object | null = null

  constructor(folder: string | null) {
    this.folder = folder
  }

  /** The cached finding, or a new one, which is then cached. @throws the error of `find` */
  async obtain<T>(finding: Finding<T>): Promise<T> {
    const place = this.#placeOf(finding)
    const search = this.#results.get(place) ?? this.#find(finding, place)
    this.#results.set(place, search)
    return search as Promise<T>
  }

  async recall<T>(finding: Pick<Finding<T>, 'kind' | 'dependsOn' | 'read'>): Promise<T | null> {
    const place = this.#placeOf(finding)
    const result = this.#results.get(place) as Promise<T> | undefined
    return result ?? finding.read(await this.#contentOf(place))
  }

  async #find<T>(finding: Finding<T>, place: string): Promise<T> {
    try {
      const cachedResult = finding.read(await this.#contentOf(place))
      if (cachedResult !== null) return cachedResult
      const result = await finding.find()
      if (finding.isWorthKeeping?.(result) ?? true) await this.#keep(place, result)
      else this.#results.delete(place)
      return result
    } catch (error) {
      this.#results.delete(place)
      throw error
    }
  }

  #placeOf({ kind, dependsOn }: Pick<Finding<unknown>, 'kind' | 'dependsOn'>): string {
    this.#machine ??= thisMachine()
    const all = JSON.stringify({ ...dependsOn, ...this.#machine })
    return join(kind, `${createHash('sha256').update(all).digest('hex')}.json`)
  }

  async #contentOf(place: string): Promise<unknown> {
    if (this.folder === null) return null
    try {
      return JSON.parse(await readFile(join(this.folder, place), 'utf8'))
    } catch {
      return null
    }
  }

  async #keep(place: string, result: unknown): Promise<void> {
    if (this.folder === null) return
    try {
      await replaceFile(join(this.folder, place), JSON.stringify(result))
    } catch {}
  }
}

export function usersModelCache(): ModelCache {
  return new ModelCache(usersFolder())
}

/** Folder of what is kept for the next start; `null`: there is none. */
export function usersFolder(): string | null {
  try {
    const folder = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
    return isAbsolute(folder) ? join(folder, 'tidemark') : null
  } catch {
    return null
  }
}

function thisMachine() {
  const { platform, arch: architecture } = process
  const processor = cpus()[0]?.model
  const onnxRuntime = onnxRuntimeVersion()
  return { onnxRuntime, platform, architecture, processor, cLibrary: cLibrary() }
}

/** Determines the last bits of exp. Without glibc only the platform is known. */
function cLibrary(): string {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return header?.glibcVersionRuntime ?? 'another'
}
