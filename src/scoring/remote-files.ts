import { MlflowServer, referenceOf } from '../connect/mlflow/mlflow.ts'
import { DownloadError, type DownloadOptions, download } from '../kernel/download.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { Downloads, type RemoteModel } from './downloads.ts'
import type { ModelFiles } from './model-files.ts'

/** Of all files of a model. */
const MOST_BYTES = 1_000_000_000
const WITHIN_MS = 60_000

/**
 * Downloads a model, at most 1 GB within 60 s, or takes the one that was kept, if it is the same or
 * the server is down.
 * @throws TidemarkError `MODEL_FILE` · DownloadError
 */
export async function remoteFiles(
  url: URL,
  sha256: string | null,
  folder: string | null,
): Promise<ModelFiles> {
  const limits = { budget: { left: MOST_BYTES }, signal: AbortSignal.timeout(WITHIN_MS) }
  const server = url.protocol === 'models:' ? new MlflowServer(process.env, limits) : null
  const downloads = new Downloads(folder, `${server?.url ?? ''} ${url.href}`)
  const kept = await downloads.recall()
  const notes: string[] = []
  let model: RemoteModel
  try {
    const found = server === null ? fileAt(url, sha256, limits) : await versionOn(server, url)
    const isKept = kept?.id === found.id && (sha256 ?? kept?.sha256) === kept?.sha256
    model = isKept && kept !== null ? kept : found
  } catch (error) {
    if (kept === null || !(error instanceof DownloadError && error.isOutage)) throw error
    notes.push(`${url.href} is ${kept.title}, as it was downloaded before: ${error.message}`)
    model = kept
  }
  const parts = new Map<string, Buffer>()
  const part = async (name: string) => {
    const bytes = await model.download(name)
    parts.set(name, bytes)
    return bytes
  }
  return {
    onnx: await part(model.onnx),
    notes,
    weights: async ({ path, length }) => {
      const bytes = await part(path)
      if (bytes.length < length) throw new Error(`it has ${bytes.length} bytes of ${length}`)
      return { path, file: url, bytes }
    },
    keep: async (hash) => {
      if (model === kept || model.id === null || (sha256 ?? hash) !== hash) return
      await downloads.keep({ ...model, sha256: hash }, parts)
    },
  }
}

async function versionOn(server: MlflowServer, url: URL): Promise<RemoteModel> {
  const version = await server.find(referenceOf(url))
  const [onnx, ...others] = await server.list(version)
  return {
    id: JSON.stringify([version.artifacts, onnx, others]),
    title: `version ${version.version}`,
    onnx: onnx.name,
    download: async (name) => {
      const file = [onnx, ...others].find((listed) => listed.name === name)
      if (file === undefined) throw new Error('it is not beside the model')
      return server.download(version, file)
    },
  }
}

function fileAt(url: URL, sha256: string | null, limits: DownloadOptions): RemoteModel {
  if (url.protocol !== 'https:' || url.username + url.password !== '') {
    const hint = 'a model is a file, https: without a login, or models:/NAME@ALIAS of MLflow'
    throw new TidemarkError('MODEL_FILE', 'it is not the URL of a model', { hint })
  }
  return {
    id: sha256,
    title: 'this file',
    onnx: url.pathname,
    download: async (name) => {
      if (name !== url.pathname) throw new Error('one file is downloaded from a URL')
      return download(url, limits)
    },
  }
}
