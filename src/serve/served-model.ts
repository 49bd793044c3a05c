import { packageVersion } from '../kernel/node.ts'
import { type EvaluatedOutput, evaluatedOutput } from '../scoring/accuracy/evaluation.ts'
import { type Scorer, versionOf } from '../scoring/scorer.ts'
import { confidenceOf, type ModelDefinition } from '../topology/models.ts'
import {
  type HttpReply,
  type HttpRequest,
  type HttpRoute,
  httpRoute,
  probeRoute,
} from './request.ts'
import { RequestFault } from './request-fault.ts'
import { RequestQueue } from './request-queue.ts'
import {
  float32,
  JSON_LENGTH,
  listOf,
  type OutputTensor,
  objectOf,
  parsed,
  readRequest,
  writeReply,
} from './tensors.ts'

/** A model that answers requests. */
export interface ServedModel {
  readonly model: ModelDefinition
  readonly scorer: Scorer
  readonly queue: RequestQueue
  readonly outputs: readonly EvaluatedOutput[]
}

export function served(model: ModelDefinition, scorer: Scorer): ServedModel {
  const queue = new RequestQueue(scorer, model.features.length)
  const outputs = Object.keys(model.outputs).map((name) => evaluatedOutput(model, name))
  return { model, scorer, queue, outputs }
}

/** Routes for rows of features: `/predict`, and the Open Inference Protocol. */
export function modelRoutes(models: readonly ServedModel[]): readonly HttpRoute[] {
  const byName = new Map(models.map((of) => [of.model.name, of]))
  const modelOf = ({ names: { name = '', version } }: HttpRequest): ServedModel => {
    const found = byName.get(decoded(name))
    const isIt = version === undefined || decoded(version) === (found && versionOf(found.scorer))
    if (found !== undefined && isIt) return found
    throw new RequestFault(404, `there is no such model; there is ${labels(models)}`, {
      where: 'model',
    })
  }
  const model = '/v2/models/(?<name>[^/]+)(?:/versions/(?<version>[^/]+))?'
  const isReady = () => models.every(({ scorer }) => scorer.state === 'open')
  const ready = (of: boolean, body: object): HttpReply => ({ status: of ? 200 : 503, body })
  const health = () => ready(isReady(), { status: isReady() ? 'ok' : 'failing' })
  return [
    probeRoute('health', 'GET /health', health),
    httpRoute('server', 'GET /v2/?', () => ({ body: SERVER })),
    probeRoute('live', 'GET /v2/health/live', () => ({ body: { live: true } })),
    probeRoute('ready', 'GET /v2/health/ready', () => ready(isReady(), { ready: isReady() })),
    httpRoute('model', `GET ${model}`, (asked) => ({ body: metadataOf(modelOf(asked)) })),
    httpRoute('model_ready', `GET ${model}/ready`, (asked) => {
      const { model: of, scorer } = modelOf(asked)
      const isOpen = scorer.state === 'open'
      return ready(isOpen, { name: of.name, ready: isOpen })
    }),
    httpRoute('infer', `POST ${model}/infer`, (asked) => infer(modelOf(asked), asked)),
    httpRoute('predict', 'POST /predict', (asked) => predict(models, asked)),
  ]
}

const SERVER = {
  name: 'tidemark',
  version: packageVersion(),
  extensions: ['binary_tensor_data'],
} as const

export function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

function labels(models: readonly ServedModel[]): string {
  return models.map(({ scorer }) => scorer.label).join(', ')
}

function metadataOf({ model, scorer, outputs }: ServedModel): object {
  return {
    name: model.name,
    versions: [versionOf(scorer)],
    platform: 'onnxruntime_onnx',
    inputs: [{ name: model.input, datatype: 'FP32', shape: [-1, model.features.length] }],
    outputs: outputs.map(({ name, classes }) => {
      return { name, datatype: 'FP64', shape: classes === null ? [-1] : [-1, classes.length] }
    }),
  }
}

async function infer(
  { model, scorer, queue, outputs }: ServedModel,
  asked: HttpRequest,
): Promise<HttpReply> {
  const { id, rows, wanted } = readRequest(asked.body, asked.headers[JSON_LENGTH], model)
  const scores = await queue.score(rows, asked)
  const about = { model_name: model.name, model_version: versionOf(scorer), ...(id && { id }) }
  const tensors = wanted.map((output): OutputTensor => {
    const found = outputs.find(({ name }) => name === output.name) as EvaluatedOutput
    return { ...output, ...valuesOf(found, scores) }
  })
  return writeReply(about, tensors)
}

/** The columns of an output, row by row. */
function valuesOf({ columns, classes }: EvaluatedOutput, scores: readonly Float64Array[]) {
  const own = columns.map((at) => scores[at] as Float64Array)
  const [first] = own as [Float64Array]
  const rows = first.length
  if (classes === null) return { shape: [rows], data: first }
  const data = new Float64Array(rows * own.length)
  for (const [i, column] of own.entries()) {
    for (let row = 0; row < rows; row++) data[row * own.length + i] = column[row] as number
  }
  return { shape: [rows, own.length], data }
}

async function predict(models: readonly ServedModel[], asked: HttpRequest): Promise<HttpReply> {
  const { features, model_id: id } = objectOf(parsed(asked.body), 'body')
  const found = models.filter(
    ({ scorer }) => id === undefined || id === scorer.name || id === scorer.label,
  )
  const [only, ...others] = found
  if (only === undefined || others.length > 0) {
    throw new RequestFault(404, `is none of ${labels(models)}`, { where: 'model_id' })
  }
  const { model, queue, outputs } = only
  const given = listOf(features, 'features')
  const isMany = Array.isArray(given[0])
  const count = isMany ? given.length : 1
  const rows = float32(given, { count, width: model.features.length, where: 'features' })
  const scores = await queue.score(rows, asked)
  const [output] = outputs as [EvaluatedOutput]
  const answers = Array.from({ length: count }, (_, row) => {
    const own = output.columns.map((at) => scores[at]?.[row] as number)
    return predictionOf(output, own)
  })
  const latency = { latency_ms: performance.now() - asked.sinceMs }
  if (!isMany) return { body: { ...answers[0], ...latency } }
  const prediction = answers.map((of) => of.prediction)
  const confidence = answers.map((of) => of.confidence)
  return { body: { prediction, confidence, ...latency } }
}

function predictionOf({ name, classes }: EvaluatedOutput, scores: readonly number[]) {
  const confidence = confidenceOf({ name, columns: classes }, scores)
  if (classes === null) return { prediction: scores[0] as number, confidence }
  return { prediction: classes[scores.indexOf(Math.max(...scores))] as string, confidence }
}
