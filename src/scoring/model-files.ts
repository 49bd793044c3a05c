import { readFile, realpath, stat } from 'node:fs/promises'
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { configFault } from '../kernel/errors.ts'
import type { WeightFile } from '../trees/onnx-export.ts'

/** The files of a model, on this machine or elsewhere. */
export interface ModelFiles {
  readonly onnx: Buffer
  readonly notes: readonly string[]
  /** Reads a file beside the ONNX file. @throws Error it is not there, or not whole */
  weights(file: WeightFile): Promise<Weights>
  /** Keeps what was read for a start while its server is down. */
  keep(sha256: string): Promise<void>
}

/** A file with weights of a model. */
export interface Weights {
  /** The name that the ONNX file gives it. */
  readonly path: string
  readonly file: URL
  readonly bytes: Uint8Array
}

const REMOTE = /^(https?|models):/i

/** The URL of a model that a person names: a path, `https:` or `models:`. @throws CONFIG_INVALID */
export function modelUrl(text: string): URL {
  if (!REMOTE.test(text)) return pathToFileURL(text)
  if (URL.canParse(text)) return new URL(text)
  throw configFault(
    `"${text}" is not a URL`,
    undefined,
    'write https://HOST/PATH or models:/NAME@ALIAS',
  )
}

/** The hash that a URL of `https:` states after `#`, in the way of Python's package indexes. */
export function hashIn(url: URL): string | null {
  return /^#sha256=([0-9a-f]{64})$/.exec(url.hash)?.[1] ?? null
}

/** A path from its folder; other URLs as they are. */
export function modelAt(text: string, folder: string): string {
  return REMOTE.test(text) ? text : resolve(folder, text)
}

/** A file's path; for other protocols the URL. */
export function shown(file: URL): string {
  return file.protocol === 'file:' ? fileURLToPath(file) : file.href
}

/** The files of a model on this machine. @throws Error */
export async function localFiles(url: URL): Promise<ModelFiles> {
  const keep = async () => {}
  return { onnx: await readWhole(url), notes: [], weights: (part) => readWeights(url, part), keep }
}

async function readWhole(file: URL): Promise<Buffer> {
  // Reading a pipe would wait for its writer.
  if (!(await stat(file)).isFile()) throw new Error('it is not a file')
  return readFile(file)
}

/** Only a file in the folder of the model, also behind links: its author names it. */
async function readWeights(model: URL, { path, length }: WeightFile): Promise<Weights> {
  const folder = dirname(fileURLToPath(model))
  const place = resolve(folder, path)
  const isInside = isUnder(folder, place) && !isAbsolute(path)
  if (!isInside || !isUnder(await realpath(folder), await realpath(place))) {
    throw new Error('it is not in the folder of the model')
  }
  const file = pathToFileURL(place)
  const bytes = await readWhole(file)
  if (bytes.length < length) throw new Error(`it has ${bytes.length} bytes of ${length}`)
  return { path, file, bytes }
}

function isUnder(folder: string, path: string): boolean {
  const way = relative(folder, path)
  return way !== '' && !isAbsolute(way) && way.split(sep)[0] !== '..'
}
