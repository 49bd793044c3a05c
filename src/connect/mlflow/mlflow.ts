import { readFileSync } from 'node:fs'
import { type Budget, DownloadError, download } from '../../kernel/download.ts'
import { messageOf, TidemarkError } from '../../kernel/errors.ts'
import { isJsonObject, jsonObject } from '../../kernel/json.ts'
import { isLoopback } from '../../kernel/node.ts'

// The registry of an MLflow server, by its REST interface (MLflow 3).

type JsonObject = Readonly<Record<string, unknown>>

type Environment = Readonly<Record<string, string | undefined>>

/** A version of a registered model, and where the server keeps its files. */
export interface ModelVersion {
  readonly version: string
  /** Identifies its bytes. */
  readonly artifacts: string
}

export interface ArtifactFile {
  readonly name: string
  readonly bytes: number
}

/** A model by its name and an alias, or by a version. */
interface Reference {
  readonly name: string
  readonly alias: string | null
  readonly version: string
}

const REFERENCE = /^\/([^/@]+)(?:@([^/@]+)|\/(\d{1,9}))$/

/** What `models:` URLs say. @throws TidemarkError `MODEL_FILE` */
export function referenceOf(url: URL): Reference {
  const { host, pathname, search, hash } = url
  const [, name, alias, version = ''] = REFERENCE.exec(pathname) ?? []
  if (name === undefined || host + search + hash !== '') {
    throw refused(
      'it is not a registered model',
      'write models:/NAME@ALIAS or models:/NAME/VERSION',
    )
  }
  return { name: decoded(name), alias: alias === undefined ? null : decoded(alias), version }
}

export class MlflowServer {
  /** Ends without a slash. */
  readonly url: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #limits: { readonly budget: Budget; readonly signal: AbortSignal }

  /** @throws TidemarkError `MODEL_FILE`: the variables do not say where MLflow is, and who asks */
  constructor(environment: Environment, limits: { budget: Budget; signal: AbortSignal }) {
    const url = serverUrl(environment)
    this.url = url.href.replace(/\/+$/, '')
    this.#headers = { accept: 'application/json', ...loginOf(environment, url) }
    this.#limits = limits
  }

  /** @throws TidemarkError `MODEL_FILE` · DownloadError an outage */
  async find({ name, alias, version: fixed }: Reference): Promise<ModelVersion> {
    const version = alias === null ? fixed : await this.#versionOf(name, alias)
    const path = 'mlflow/model-versions/get-download-uri'
    const { artifact_uri: artifacts } = await this.#ask(path, { name, version })
    if (typeof artifacts !== 'string') throw this.#isNoMlflow()
    return { version, artifacts }
  }

  /** The ONNX file of a version first, then the other files beside it. */
  async list({ artifacts }: ModelVersion): Promise<readonly [ArtifactFile, ...ArtifactFile[]]> {
    const path = this.#pathOf(artifacts).join('/')
    const { files = [] } = await this.#ask('mlflow-artifacts/artifacts', { path })
    if (!Array.isArray(files)) throw this.#isNoMlflow()
    const listed = files.filter(isJsonObject).flatMap(fileOf)
    const models = listed.filter(({ name }) => name.endsWith('.onnx'))
    const [model] = models
    if (model === undefined || models.length > 1) {
      const names = models.map(({ name }) => JSON.stringify(name)).join(', ')
      const found = model === undefined ? 'it holds no .onnx file' : `it holds several: ${names}`
      throw refused(found, 'log one ONNX model: mlflow.onnx.log_model(model, name=...)')
    }
    return [model, ...listed.filter((file) => file !== model)]
  }

  /** @throws TidemarkError `MODEL_FILE` · DownloadError */
  async download({ artifacts }: ModelVersion, { name }: ArtifactFile): Promise<Buffer> {
    const path = [...this.#pathOf(artifacts), name].map(encodeURIComponent).join('/')
    const url = new URL(`${this.url}/api/2.0/mlflow-artifacts/artifacts/${path}`)
    return await download(url, { ...this.#limits, headers: this.#headers })
  }

  async #versionOf(name: string, alias: string): Promise<string> {
    const answer = await this.#ask('mlflow/registered-models/alias', { name, alias })
    const version = isJsonObject(answer['model_version'])
      ? answer['model_version']['version']
      : null
    if (typeof version !== 'string') throw this.#isNoMlflow()
    return version
  }

  async #ask(path: string, query: Readonly<Record<string, string>>): Promise<JsonObject> {
    const url = new URL(`${this.url}/api/2.0/${path}?${String(new URLSearchParams(query))}`)
    try {
      const options = { ...this.#limits, budget: { left: MOST_OF_AN_ANSWER } }
      const text = (await download(url, { ...options, headers: this.#headers })).toString()
      const answer = jsonObject(text)
      if (answer === null) throw this.#isNoMlflow()
      return answer
    } catch (error) {
      throw error instanceof DownloadError && !error.isOutage ? this.#refusalOf(error) : error
    }
  }

  /** The segments of a path on this server. @throws TidemarkError `MODEL_FILE` */
  #pathOf(artifacts: string): string[] {
    const [, host, path = ''] = /^mlflow-artifacts:(?:\/\/([^/]*))?\/(.+)$/.exec(artifacts) ?? []
    const segments = path.split('/').filter((segment) => segment !== '')
    const isElsewhere =
      path === '' || (host !== undefined && host !== '' && host !== new URL(this.url).host)
    if (isElsewhere || !segments.every(isName)) {
      const place = JSON.stringify(artifacts.slice(0, MOST_QUOTED))
      const hint =
        'let MLflow serve its files (`mlflow server --artifacts-destination s3://...`), or download the model and use the file'
      throw refused(`its files are at ${place}, which this MLflow does not serve`, hint)
    }
    return segments
  }

  #refusalOf({ message, status, answer }: DownloadError): TidemarkError {
    const told = jsonObject(answer)?.['message'] ?? answer
    const why = told === '' ? '' : `: ${JSON.stringify(told).slice(0, MOST_QUOTED)}`
    const fault = `MLflow at ${new URL(this.url).host}: ${message}${why}`
    if (status === 403 && /host/i.test(answer)) {
      return refused(fault, 'start MLflow with --allowed-hosts, and the host by which it is asked')
    }
    const hint =
      status === 401 || status === 403 ? LOGIN : 'look at the page of the model in MLflow'
    return refused(fault, hint)
  }

  #isNoMlflow(): TidemarkError {
    const hint = 'is MLFLOW_TRACKING_URI the URL of MLflow 3, and no page asks for a login first?'
    return refused(`${new URL(this.url).host} does not answer as MLflow does`, hint)
  }
}

const MOST_OF_AN_ANSWER = 4_000_000
const MOST_QUOTED = 200

function serverUrl({ MLFLOW_TRACKING_URI: text = '' }: Environment): URL {
  const hint = 'set MLFLOW_TRACKING_URI, such as https://mlflow.example.com'
  if (text === '') throw refused('no MLflow server is named', hint)
  const url = URL.canParse(text) ? new URL(text) : null
  // It may contain a password.
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.search + url.hash !== '') {
    throw refused('MLFLOW_TRACKING_URI is not an http or https URL', hint)
  }
  if (url.username + url.password === '') return url
  throw refused('MLFLOW_TRACKING_URI contains a login', `${LOGIN}, or files of them`)
}

const LOGIN = 'give MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD'

function loginOf(environment: Environment, url: URL): { authorization?: string } {
  const username = secretOf(environment, 'MLFLOW_TRACKING_USERNAME')
  const password = secretOf(environment, 'MLFLOW_TRACKING_PASSWORD')
  const token = secretOf(environment, 'MLFLOW_TRACKING_TOKEN')
  const isBasic = username !== null && password !== null
  if (!isBasic && token === null) return {}
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    const message = 'MLFLOW_TRACKING_URI is http, which would show the login to others'
    throw refused(message, 'use https, or an MLflow on this machine')
  }
  const basic = Buffer.from(`${username}:${password}`).toString('base64')
  return { authorization: isBasic ? `Basic ${basic}` : `Bearer ${token}` }
}

/** The value of a variable, or that of the file that the variable with `_FILE` names. */
function secretOf(environment: Environment, name: string): string | null {
  const file = environment[`${name}_FILE`]
  try {
    const text = file === undefined ? environment[name] : readFileSync(file, 'utf8').trimEnd()
    return text || null
  } catch (error) {
    throw refused(`${name}_FILE cannot be read: ${messageOf(error)}`, 'name a file with the secret')
  }
}

function fileOf({ path: name, is_dir: isFolder, file_size: bytes }: JsonObject): ArtifactFile[] {
  if (isFolder === true || typeof name !== 'string' || !isName(name)) return []
  return [{ name, bytes: Number(bytes) }]
}

/** Whether a text is the name of one file or folder, and no way to another. */
function isName(text: string): boolean {
  return !/^\.{0,2}$|[/\\]/.test(text) && text.isWellFormed()
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw refused('it is not a registered model', `${JSON.stringify(text)} is not URL-encoded`)
  }
}

function refused(why: string, hint: string): TidemarkError {
  return new TidemarkError('MODEL_FILE', why, { hint })
}
