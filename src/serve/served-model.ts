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
import { MOST, RequestFault } from './request-fault.ts'
import { RequestQueue } from './request-queue.ts'
import {
  type Datatype,
  float32,
  inputName,
  JSON_BYTES,
  JSON_LENGTH,
  listOf,
  numberBytes,
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
  readonly outputs: readonly ServedOutput[]
}

type ServedOutput = EvaluatedOutput & { readonly datatype: Datatype }

export function served(model: ModelDefinition, scorer: Scorer): ServedModel {
  const queue = new RequestQueue(scorer, model.features.length)
  const outputs = Object.entries(model.outputs).map(([name, { tensor }]): ServedOutput => {
    const datatype = scorer.float32?.has(tensor) ? 'FP32' : 'FP64'
    return { ...evaluatedOutput(model, name), datatype }
  })
  return { model, scorer, queue, outputs }
}

/** Routes for rows of features: `/predict`, and the Open Inference Protocol. */
export function modelRoutes(models: readonly ServedModel[]): readonly HttpRoute[] {
  const byName = new Map(models.map((servedModel) => [servedModel.model.name, servedModel]))
  const modelOf = ({ names: { name = '', version } }: HttpRequest): ServedModel => {
    const match = byName.get(decoded(name))
    const isIt = version === undefined || decoded(version) === (match && versionOf(match.scorer))
    if (match !== undefined && isIt) return match
    const message = `there is no such model; there is ${labels(models)}`
    throw new RequestFault(404, message, { where: 'model' })
  }
  const model = '/v2/models/(?<name>[^/]+)(?:/versions/(?<version>[^/]+))?'
  const isReady = () => models.every(({ scorer }) => scorer.state === 'open')
  const ready = (isFine: boolean, body: object): HttpReply => ({ status: isFine ? 200 : 503, body })
  const health = () => ready(isReady(), { status: isReady() ? 'ok' : 'failing' })
  return [
    probeRoute('health', 'GET /health', health),
    httpRoute('server', 'GET /v2/?', () => ({ body: SERVER })),
    probeRoute('live', 'GET /v2/health/live', () => ({ body: { live: true } })),
    probeRoute('ready', 'GET /v2/health/ready', () => ready(isReady(), { ready: isReady() })),
    httpRoute('model', `GET ${model}`, (request) => ({ body: metadataOf(modelOf(request)) })),
    httpRoute('model_ready', `GET ${model}/ready`, (request) => {
      const { model: definition, scorer } = modelOf(request)
      const isOpen = scorer.state === 'open'
      return ready(isOpen, { name: definition.name, ready: isOpen })
    }),
    httpRoute('infer', `POST ${model}/infer`, (request) => infer(modelOf(request), request)),
    httpRoute('predict', 'POST /predict', (request) => predict(models, request)),
  ]
}

const SERVER = {
  name: 'tidemark',
  version: packageVersion(),
  extensions: ['binary_tensor_data'],
} as const

/** A part of a path. @throws RequestFault 400: it is not a text in UTF-8 */
export function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new RequestFault(400, 'is not a text in UTF-8', { where: 'path' })
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
    inputs: [{ name: inputName(model), datatype: 'FP32', shape: [-1, model.features.length] }],
    outputs: outputs.map(({ name, datatype, classes }) => {
      return { name, datatype, shape: classes === null ? [-1] : [-1, classes.length] }
    }),
  }
}

async function infer(servedModel: ServedModel, request: HttpRequest): Promise<HttpReply> {
  const { model, scorer, outputs } = servedModel
  const { id, rows, wanted } = readRequest(request.body, request.headers[JSON_LENGTH], model)
  const tensors = wanted.map((want) => {
    return { ...want, ...(outputs.find(({ name }) => name === want.name) as ServedOutput) }
  })
  const bytes = tensors.map((tensor) => tensor.columns.length * numberBytes(tensor))
  const scores = await scored(servedModel, request, { rows, rowBytes: sumOf(bytes) })
  const about = { model_name: model.name, model_version: versionOf(scorer), ...(id && { id }) }
  const answered = tensors.map((tensor) => {
    const columns = tensor.columns.map((at) => scores[at]) as unknown as OutputTensor['columns']
    const [{ length }] = columns
    return {
      ...tensor,
      columns,
      shape: tensor.classes === null ? [length] : [length, columns.length],
    }
  })
  return writeReply(about, answered)
}

const sumOf = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0)

/**
 * @param rowBytes the most that the answer has for a row
 * @throws RequestFault 413: it could be too large · as {@link RequestQueue.score}
 */
function scored(
  { model, queue, outputs }: ServedModel,
  request: HttpRequest,
  { rows, rowBytes }: { readonly rows: Float32Array; readonly rowBytes: number },
) {
  const count = rows.length / model.features.length
  const numbers = count * sumOf(outputs.map(({ columns }) => columns.length))
  const bytes = request.body.length + count * rowBytes
  if (numbers > MOST.answerNumbers || bytes > MOST.answerBytes) {
    const most = `${MOST.answerNumbers} scores or ${MOST.answerBytes} bytes`
    throw new RequestFault(413, `the answer could have more than ${most}`)
  }
  request.hold(numbers * Float64Array.BYTES_PER_ELEMENT)
  return queue.score(rows, request)
}

async function predict(models: readonly ServedModel[], request: HttpRequest): Promise<HttpReply> {
  const { features, model_id: id } = objectOf(parsed(request.body), 'body')
  const matches = models.filter(
    ({ scorer }) => id === undefined || id === scorer.name || id === scorer.label,
  )
  const [only, ...others] = matches
  if (only === undefined || others.length > 0) {
    throw new RequestFault(404, `is none of ${labels(models)}`, { where: 'model_id' })
  }
  const { model, outputs } = only
  const list = listOf(features, 'features')
  const isMany = Array.isArray(list[0])
  const count = isMany ? list.length : 1
  const rows = float32(list, { count, width: model.features.length, where: 'features' })
  const scores = await scored(only, request, { rows, rowBytes: 2 * JSON_BYTES })
  const [output] = outputs as readonly [ServedOutput]
  const answers = Array.from({ length: count }, (_, row) => {
    const numbers = output.columns.map((at) => scores[at]?.[row] as number)
    return predictionOf(output, numbers)
  })
  const latency = { latency_ms: performance.now() - request.sinceMs }
  if (!isMany) return { body: { ...answers[0], ...latency } }
  const prediction = answers.map((answer) => answer.prediction)
  const confidence = answers.map((answer) => answer.confidence)
  return { body: { prediction, confidence, ...latency } }
}

function predictionOf({ name, classes }: EvaluatedOutput, scores: readonly number[]) {
  const confidence = confidenceOf({ name, columns: classes }, scores)
  if (classes === null) return { prediction: scores[0] as number, confidence }
  return { prediction: classes[scores.indexOf(Math.max(...scores))] as string, confidence }
}
