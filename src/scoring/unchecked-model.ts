import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { messageOf, TidemarkError } from '../kernel/errors.ts'
import type { ModelDefinition } from '../topology/models.ts'

/** A model file. All later checks use these bytes, even if the file changes. */
export interface ModelBytes {
  readonly file: URL
  readonly bytes: Buffer
  readonly sha256: string
}

/** A file's path; for other protocols the URL. */
export function shown(file: URL): string {
  return file.protocol === 'file:' ? fileURLToPath(file) : file.href
}

/** Reads and hashes a model file. @throws TidemarkError `MODEL_FILE` when it cannot be read */
export async function readModel(file: URL, where: string): Promise<ModelBytes> {
  try {
    // Reading a pipe would wait for its writer.
    if (!(await stat(file)).isFile()) throw new Error('it is not a file')
    const bytes = await readFile(file)
    return { file, bytes, sha256: createHash('sha256').update(bytes).digest('hex') }
  } catch (cause) {
    const message = `the model file ${shown(file)} cannot be read: ${messageOf(cause)}`
    const hint =
      "check the path: a definition's `file` is relative to the definition's own file, --model to the working directory"
    throw new TidemarkError('MODEL_FILE', message, { where, hint, cause })
  }
}

export interface UncheckedModel {
  readonly model: ModelDefinition
  readonly modelFile: ModelBytes
  /** The hash that the file must have; `null`: any, because the operator chose the file. */
  readonly sha256: string | null
  readonly golden: URL | null
  readonly where: string
}

/** @param chosenFile `null`: the model's own @throws TidemarkError `MODEL_FILE` */
export async function readUnchecked(
  { model, where }: Pick<UncheckedModel, 'model' | 'where'>,
  chosenFile: string | null,
): Promise<UncheckedModel> {
  const url = chosenFile === null ? model.file : pathToFileURL(chosenFile)
  const modelFile = await readModel(url, where)
  const golden = chosenFile === null ? (model.golden ?? null) : goldenBeside(model, modelFile)
  return { model, modelFile, sha256: chosenFile === null ? model.sha256 : null, golden, where }
}

/** The golden file beside a chosen file; the model's own if the chosen file has the same bytes. */
function goldenBeside(model: ModelDefinition, { file, sha256 }: ModelBytes): URL | null {
  const beside = new URL(file.href.replace(/(\.onnx)?$/, '.golden.json'))
  if (existsSync(beside)) return beside
  return sha256 === model.sha256 ? (model.golden ?? null) : null
}

export function labelOf({ model, modelFile, sha256 }: UncheckedModel): string {
  const name = `${model.name}@${model.version}`
  return sha256 === null ? `${name}+${modelFile.sha256.slice(0, 8)}` : name
}
