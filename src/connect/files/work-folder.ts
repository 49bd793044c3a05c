import { existsSync } from 'node:fs'
import { readdir, readFile, rename, rm, rmdir, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { atPath, configFault, isSystemError, messageOf } from '../../kernel/errors.ts'
import { jsonObject } from '../../kernel/json.ts'
import { makeFolder } from '../../kernel/node.ts'

// Where an output is made before it gets its name: all of it or nothing. Beside it, a lock says who
// makes it, and the parts that are known to be whole let an interrupted run continue.

const TEMPORARY = '_temporary'
const PARTS = '_parts'
const PROGRESS = '_progress'
/** Parts that were made may be in another format than is asked for now, so they are made again. */
const CONTINUED = /^(_parts|_progress-\d+\.json|sorted-[0-9a-f]{16})$/
/** A lock that was not touched for this long is left over, ms. */
const STALE_MS = 60_000
const TOUCHED_EVERY_MS = 10_000

interface Holder {
  readonly host: string
  readonly process: number
}

export class WorkFolder {
  readonly path: string
  readonly #output: string
  readonly #lock: string
  #touching: NodeJS.Timeout | undefined

  /** A folder whose lock another part of the process holds. */
  constructor(output: string) {
    const temporary = join(dirname(output), TEMPORARY)
    this.path = join(temporary, basename(output))
    this.#output = output
    this.#lock = `${this.path}.lock`
  }

  /** Where parts are until they have their format. */
  get parts(): string {
    return join(this.path, PARTS)
  }

  /**
   * @param o `isKept`: whether the files stay from which an interrupted run can be continued
   * @throws TidemarkError `CONFIG_INVALID`: another process makes this output, or it cannot be
   * written
   */
  static async lock(output: string, o: { readonly isKept: boolean }): Promise<WorkFolder> {
    const folder = new WorkFolder(output)
    try {
      makeFolder(dirname(folder.path))
      await folder.#take()
      makeFolder(folder.path)
      for (const name of await readdir(folder.path)) {
        if (!o.isKept || !CONTINUED.test(name)) await folder.#remove(name)
      }
    } catch (error) {
      throw isSystemError(error)
        ? configFault(`cannot write the output: ${messageOf(error)}`, output)
        : error
    }
    return folder
  }

  /** Writes down, in one step, the progress of a worker. */
  async save(worker: number, progress: object): Promise<void> {
    const path = join(this.path, `${PROGRESS}-${worker}.json`)
    const next = `${path}.new`
    await writeFile(next, JSON.stringify(progress), { flush: true }).catch(atPath(next))
    await rename(next, path)
  }

  /** The saved states, in the order of the workers' numbers. */
  async saved<T>(): Promise<readonly T[]> {
    const names = (await readdir(this.path)).filter((name) => /^_progress-\d+\.json$/.test(name))
    const texts = names.sort().map((name) => readFile(join(this.path, name), 'utf8'))
    return (await Promise.all(texts)).map((text) => JSON.parse(text) as T)
  }

  /** Gives the output its name. @param kept names of its files and folders; others are removed */
  async publish(kept: readonly string[], manifest: object): Promise<void> {
    // The saved states are removed before the parts that they describe.
    for (const name of (await readdir(this.path)).sort().reverse()) {
      if (!kept.includes(name)) await this.#remove(name)
    }
    const path = join(this.path, MANIFEST)
    await writeFile(path, `${JSON.stringify(manifest, null, 2)}\n`).catch(atPath(path))
    await writeFile(join(this.path, '_SUCCESS'), '')
    const replaced = `${this.path}.replaced`
    await rm(replaced, { recursive: true, force: true })
    if (existsSync(this.#output)) await rename(this.#output, replaced)
    await rename(this.path, this.#output)
    await rm(replaced, { recursive: true, force: true })
  }

  async release(): Promise<void> {
    clearInterval(this.#touching)
    // A folder in which nothing was made is of no use.
    await rmdir(this.path).catch(() => {})
    await rm(this.#lock, { force: true })
  }

  #remove(name: string): Promise<void> {
    return rm(join(this.path, name), { recursive: true, force: true })
  }

  async #take(): Promise<void> {
    const taker: Holder = { host: hostname(), process: process.pid }
    try {
      await writeFile(this.#lock, JSON.stringify(taker), { flag: 'wx' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      // A lock may have been cut off while it was written.
      const left = jsonObject(await readFile(this.#lock, 'utf8')) as Partial<Holder> | null
      const holder: Holder = { host: 'a host', process: 0, ...left }
      if (!(await this.#isLeftBy(holder))) {
        const who = `process ${holder.process} on ${holder.host}`
        const hint = `wait for it; a lock whose process has died is free after ${STALE_MS / 1_000} s`
        throw configFault(`${who} is making this output`, this.#output, hint)
      }
      await writeFile(this.#lock, JSON.stringify(taker))
    }
    const touch = () => utimes(this.#lock, new Date(), new Date()).catch(() => {})
    this.#touching = setInterval(() => void touch(), TOUCHED_EVERY_MS).unref()
  }

  async #isLeftBy({ host, process: pid }: Holder): Promise<boolean> {
    if (host === hostname() && !isAlive(pid)) return true
    return Date.now() - (await stat(this.#lock)).mtimeMs > STALE_MS
  }
}

export const MANIFEST = '_manifest.json'

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
