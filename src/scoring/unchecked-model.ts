import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { messageOf, TidemarkError } from '../kernel/errors.ts'
import type { ModelDefinition } from '../topology/models.ts'
import { readExport, type ZipMap } from '../trees/onnx-export.ts'
import { usersFolder } from './model-cache.ts'
import { hashIn, localFiles, modelUrl, shown, type Weights } from './model-files.ts'
import { remoteFiles } from './remote-files.ts'

/** A model's files. All later checks use these bytes, even if the files change. */
export interface ModelBytes {
  readonly file: URL
  /** The ONNX file, without its ZipMap. */
  readonly bytes: Buffer
  /** In the order in which the ONNX file names them. */
  readonly weights: readonly Weights[]
  /** `null`: it had none. */
  readonly zipMap: ZipMap | null
  /** Bytes of all its files. */
  readonly size: number
  /** Hash of the ONNX file and those with its weights, one after the other. */
  readonly sha256: string
  /** Where its bytes are from, if that is not what was asked for. */
  readonly notes: readonly string[]
}

/**
 * Reads and hashes a model.
 * @param expected `sha256` of all its files; `null`: any; `folder` keeps downloads
 * @throws TidemarkError `MODEL_FILE` when a file cannot be read
 */
export async function readModel(
  file: URL,
  where: string,
  { sha256 = null, folder = usersFolder() }: Expected = {},
): Promise<ModelBytes> {
  const isLocal = file.protocol === 'file:'
  const opening = isLocal ? localFiles(file) : remoteFiles(file, sha256, folder)
  const files = await readable(opening, (cause) => {
    const message = `the model ${shown(file)} cannot be read: ${messageOf(cause)}`
    const hint = hintOf(cause) ?? HINTS[file.protocol] ?? HINTS['file:']
    return new TidemarkError('MODEL_FILE', message, { where, hint })
  })
  const { bytes, zipMap, weightFiles } = readExport(files.onnx)
  const weights = await Promise.all(
    weightFiles.map((weightFile) =>
      readable(files.weights(weightFile), (cause) => {
        const message = `the weights ${JSON.stringify(weightFile.path)} of ${shown(file)} cannot be read: ${messageOf(cause)}`
        const hint =
          'keep the file beside the model, or save one file: onnx.save(onnx.load(path), path)'
        return new TidemarkError('MODEL_FILE', message, { where, hint })
      }),
    ),
  )
  const parts = [files.onnx, ...weights.map((part) => part.bytes)]
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  const size = parts.reduce((sum, part) => sum + part.length, 0)
  const model = {
    file,
    bytes,
    weights,
    zipMap,
    size,
    sha256: hash.digest('hex'),
    notes: files.notes,
  }
  await files.keep(model.sha256)
  return model
}

interface Expected {
  readonly sha256?: string | null
  readonly folder?: string | null
}

const HINTS: Readonly<Record<string, string>> = {
  'file:':
    "check the path: a definition's `file` is relative to the definition's own file, --model to the working directory",
  'https:': 'check the URL; NODE_EXTRA_CA_CERTS names certificates that Node does not have',
  'models:': 'is MLFLOW_TRACKING_URI right, and does MLflow run?',
}

function hintOf(cause: unknown): string | undefined {
  return cause instanceof TidemarkError ? cause.hint : undefined
}

async function readable<T>(reading: Promise<T>, faultOf: (cause: unknown) => TidemarkError) {
  try {
    return await reading
  } catch (cause) {
    throw faultOf(cause)
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

/**
 * @param chosenFile `null`: the model's own @param folder keeps downloads
 * @throws TidemarkError `MODEL_FILE`, `MODEL_SHA256`
 */
export async function readUnchecked(
  { model, where }: Pick<UncheckedModel, 'model' | 'where'>,
  chosenFile: string | null,
  folder = usersFolder(),
): Promise<UncheckedModel> {
  const url = chosenFile === null ? model.file : modelUrl(chosenFile)
  const sha256 = statedHash(url, chosenFile === null ? model : null, where)
  const modelFile = await readModel(url, where, { sha256, folder })
  const golden = chosenFile === null ? (model.golden ?? null) : goldenBeside(model, modelFile)
  return { model, modelFile, sha256, golden, where }
}

/** @returns `null`: any, because the operator chose the file, or the registry has the version */
function statedHash(url: URL, model: ModelDefinition | null, where: string): string | null {
  const stated = model?.sha256 ?? hashIn(url)
  const isFree = url.protocol === 'models:' || (model === null && url.protocol === 'file:')
  if (stated !== null || isFree) return stated
  const hint =
    model === null
      ? 'write its hash after the URL: https://HOST/PATH#sha256=<64 digits>; `tidemark model inspect URL` shows it'
      : '`tidemark model types` writes a definition with it'
  throw new TidemarkError('MODEL_SHA256', `${shown(url)} has no sha256`, { where, hint })
}

/** The golden file beside a chosen file; the model's own if the chosen file has the same bytes. */
function goldenBeside(model: ModelDefinition, { file, sha256 }: ModelBytes): URL | null {
  const beside = new URL(file.href.replace(/(\.onnx)?$/, '.golden.json'))
  if (file.protocol === 'file:' && existsSync(beside)) return beside
  return sha256 === model.sha256 ? (model.golden ?? null) : null
}

export function labelOf({ model, modelFile, sha256 }: UncheckedModel): string {
  const name = `${model.name}@${model.version}`
  return sha256 === null ? `${name}+${modelFile.sha256.slice(0, 8)}` : name
}
