import { isUtf8 } from 'node:buffer'
import { wallClock } from '../kernel/clock.ts'
import { TidemarkError } from '../kernel/errors.ts'
import { Locator, NotNow, type Preview, TooMany } from '../runtime/partition/previews.ts'
import type { Task } from '../runtime/partition/task.ts'
import type { PreparedTopology } from '../runtime/prepared.ts'
import type { RequestMember } from '../runtime/worker.ts'
import type { Definition } from '../topology/definition.ts'
import { forwarded, isForwarded } from './forwarding.ts'
import { type HttpReply, type HttpRequest, type HttpRoute, httpRoute } from './request.ts'
import { LATER, RequestFault } from './request-fault.ts'
import { refuseIfVain } from './request-queue.ts'
import { decoded } from './served-model.ts'

// Routes for events and keys of topologies. The worker that has the partition answers.

const KEY_HEADER = 'tidemark-key'

export interface TopologyRoutes {
  readonly topologies: readonly PreparedTopology[]
  /** `null`: the worker is not a member of its group now. */
  readonly membership: () => RequestMember | null
}

export function topologyRoutes(options: TopologyRoutes): HttpRoute[] {
  const requests = new TopologyRequests(options)
  return [
    httpRoute('predict_topology', 'POST /predict/(?<topology>[^/]+)', (request) =>
      requests.predict(request).catch(refuse),
    ),
    httpRoute('state', 'GET /state/(?<topology>[^/]+)/(?<key>[^/]+)', (request) =>
      requests.state(request).catch(refuse),
    ),
  ]
}

class TopologyRequests {
  readonly #o: TopologyRoutes
  readonly #locators: ReadonlyMap<string, Locator>

  constructor(options: TopologyRoutes) {
    this.#o = options
    const locators = options.topologies.map((topology) => new Locator(topology))
    this.#locators = new Map(locators.map((locator) => [locator.definition.name, locator]))
  }

  async predict(request: HttpRequest): Promise<HttpReply> {
    const locator = this.#locatorOf(request)
    if (!locator.hasOutputs) {
      const message = 'its outputs come from windows; ask GET /state for open ones'
      throw new RequestFault(501, message, { where: 'path' })
    }
    const key = keyOf(request)
    if (key === null && locator.needsKey) {
      const message = 'the topology reads the key of the record'
      throw new RequestFault(400, message, { where: KEY_HEADER })
    }
    const event = { key, value: request.body, headers: [] }
    const member = this.#memberOf(locator)
    const { partitions } = member
    const { record, partition } = await locator.locate(event, { partitions, clock: wallClock })
    return atOwner(request, { ...member, partition }, async ({ previews }) => {
      return predicted(await previews.preview(record, () => refuseIfVain(request)), request)
    })
  }

  async state(request: HttpRequest): Promise<HttpReply> {
    const locator = this.#locatorOf(request)
    const key = decoded(request.names['key'] as string)
    const member = this.#memberOf(locator)
    const partition = locator.partitionOf(Buffer.from(key), member.partitions)
    return atOwner(request, { ...member, partition }, async ({ previews }) => {
      const { states, asOf } = await previews.state(key)
      if (states !== null) return { body: { key, ...states, asOf } }
      throw new RequestFault(404, 'nothing is kept of this key', { where: 'key' })
    })
  }

  #locatorOf({ names: { topology = '' } }: HttpRequest): Locator {
    const locator = this.#locators.get(decoded(topology))
    if (locator !== undefined) return locator
    const there = [...this.#locators.keys()].join(', ')
    throw new RequestFault(404, `there is no such topology; there is ${there}`, { where: 'path' })
  }

  #memberOf({ definition }: Locator): Omit<Place, 'partition'> {
    const member = this.#o.membership()
    const partitions = member?.partitionsOf(definition.source.topic) ?? 0
    if (member === null || partitions === 0) throw new NotNow('the worker is joining its group')
    if (!member.isCountedOn) throw new NotNow('its group does not answer the worker')
    return { definition, member, partitions }
  }
}

/** The key in the header of a request; `null`: it has none. @throws RequestFault 400 */
function keyOf({ message }: HttpRequest): Buffer | null {
  const [text, ...more] = message.headersDistinct[KEY_HEADER] ?? []
  if (text === undefined) return null
  // Node reads bytes as latin1.
  const key = Buffer.from(text, 'latin1')
  if (more.length === 0 && isUtf8(key)) return key
  throw new RequestFault(400, 'is not one text in UTF-8', { where: KEY_HEADER })
}

interface Place {
  readonly definition: Definition
  readonly member: RequestMember
  readonly partitions: number
  readonly partition: number
}

async function atOwner(
  request: HttpRequest,
  { definition: { name, source }, member, partition }: Place,
  answer: (task: Task) => Promise<HttpReply>,
): Promise<HttpReply> {
  const topicPartition = { topic: source.topic, partition }
  const task = member.taskOf(name, topicPartition)
  if (task !== null) return answer(task)
  const owner = member.ownerOf(topicPartition)
  if (owner === null || isForwarded(request)) throw new NotNow('no worker has the partition')
  return forwarded(request, owner)
}

/** Throws the fault of a request. */
function refuse(thrown: unknown): never {
  if (thrown instanceof TooMany) throw new RequestFault(429, thrown.message, LATER)
  if (thrown instanceof NotNow) throw new RequestFault(503, thrown.message, LATER)
  if (!(thrown instanceof TidemarkError)) throw thrown
  const { code, action, message } = thrown
  if (action === 'dead-letter') throw new RequestFault(422, message, { code, where: 'decode' })
  throw new RequestFault(503, 'the topology cannot answer now', { ...LATER, code })
}

function predicted(
  { outputs, fault, leftOut, scored, isWarming, asOf }: Preview,
  { sinceMs }: HttpRequest,
): HttpReply {
  if (fault !== null) {
    const { code, message } = fault.error
    throw new RequestFault(422, message, { code, where: fault.step })
  }
  const { features = null, score = null, model = null, route = null } = scored ?? {}
  return {
    body: {
      outputs: outputs.map(({ topic, key, value }) => {
        return { topic, key: key?.toString() ?? null, ...shown(value) }
      }),
      ...(leftOut !== null && { why: leftOut }),
      ...{ features, score, model, route },
      ...(scored?.reuse !== undefined && { reuse: scored.reuse }),
      ...{ asOf, warming: isWarming },
      latencyMs: performance.now() - sinceMs,
    },
  }
}

/** A value that is not JSON is in base64. */
function shown(value: Buffer | null) {
  if (value === null) return { value }
  try {
    return { value: JSON.parse(value.toString()) as unknown }
  } catch {
    return { base64: value.toString('base64') }
  }
}
