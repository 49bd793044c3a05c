import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../kernel/node.ts'

/** A model on a server. */
export interface RemoteModel {
  /** Identifies its bytes; `null`: they may be others next time. */
  readonly id: string | null
  /** Says to people which it is. */
  readonly title: string
  /** Name of the ONNX file. */
  readonly onnx: string
  /** @param name of the ONNX file, or of one beside it @throws Error */
  download(name: string): Promise<Buffer>
}

interface KeptModel extends RemoteModel {
  /** Hash of all its files, one after the other. */
  readonly sha256: string
}

interface Kept extends Omit<KeptModel, 'download'> {
  /** Hashes of the files, by name. */
  readonly files: readonly (readonly [name: string, sha256: string])[]
}

/**
 * The newest download of a URL. Files are named by the hash of their content, which is checked at
 * each reading; a name on the server never becomes a path here.
 */
export class Downloads {
  readonly #folder: string | null
  readonly #index: string

  /** @param folder `null`: nothing is kept @param source the server and the URL */
  constructor(folder: string | null, source: string) {
    this.#folder = folder
    this.#index = join(folder ?? '', 'sources', `${hashOf(source)}.json`)
  }

  /** @returns `null` if it is not there, or not whole */
  async recall(): Promise<KeptModel | null> {
    if (this.#folder === null) return null
    try {
      const kept = JSON.parse(await readFile(this.#index, 'utf8')) as Kept
      const parts = new Map<string, Buffer>()
      for (const [name, hash] of kept.files) parts.set(name, await this.#contentOf(hash))
      return { ...kept, download: async (name) => parts.get(name) as Buffer }
    } catch {
      return null
    }
  }

  /** Does nothing where the folder cannot be written. @param parts contents by name */
  async keep({ id, title, onnx, sha256 }: KeptModel, parts: ReadonlyMap<string, Buffer>) {
    if (this.#folder === null) return
    const files = [...parts].map(([name, bytes]) => [name, hashOf(bytes), bytes] as const)
    const kept: Kept = { id, title, onnx, sha256, files: files.map(([name, hash]) => [name, hash]) }
    try {
      for (const [, hash, bytes] of files) await replaceFile(this.#placeOf(hash), bytes)
      await replaceFile(this.#index, JSON.stringify(kept))
    } catch {}
  }

  #placeOf(hash: string): string {
    return join(this.#folder ?? '', 'models', hash)
  }

  async #contentOf(hash: string): Promise<Buffer> {
    const bytes = await readFile(this.#placeOf(hash))
    if (hashOf(bytes) !== hash) throw new Error('it is another content')
    return bytes
  }
}

function hashOf(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
