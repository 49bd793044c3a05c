import type { Observer } from '../runtime/events.ts'
import type { PreparedTopology } from '../runtime/prepared.ts'
import { isRule } from '../topology/models.ts'
import { passedOn, workerMeant } from './forwarding.ts'
import { type HttpRequest, httpRoute } from './request.ts'
import { LATER, RequestFault } from './request-fault.ts'
import { type RequestAddress, RequestServer } from './request-server.ts'
import { modelRoutes, type ServedModel, served } from './served-model.ts'
import { type TopologyRoutes, topologyRoutes } from './topology-routes.ts'

/** @throws TidemarkError `CONFIG_INVALID`: the address cannot be listened on */
export async function serveRequests(
  address: RequestAddress,
  { observer, ...options }: TopologyRoutes & { readonly observer: Observer },
): Promise<RequestServer> {
  const routes = [...modelRoutes(modelsOf(options.topologies)), ...topologyRoutes(options)]
  return RequestServer.listen({ ...address, routes, observer })
}

/**
 * Passes requests on to the workers of a parent.
 * @param workers each with the port where it answers requests; `null`: it does not now
 * @throws TidemarkError `CONFIG_INVALID`: the address cannot be listened on
 */
export async function passRequestsOn(
  address: RequestAddress,
  workers: () => readonly { readonly port: number | null }[],
): Promise<RequestServer> {
  let next = 0
  const answer = (request: HttpRequest) => {
    const meant = workerMeant(request)
    const all = meant === null ? workers() : workers().slice(meant - 1, meant)
    const ports = all.flatMap((worker) => worker.port ?? [])
    const to = ports[next++ % Math.max(1, ports.length)]
    if (to !== undefined) return passedOn(request, to)
    throw new RequestFault(503, 'no worker answers now', LATER)
  }
  const probes = modelRoutes([]).filter(({ access }) => access === 'probe')
  const others = ['GET', 'POST'].map((method) => httpRoute('none', `${method} .*`, answer))
  const routes = [...probes.map((probe) => ({ ...probe, answer })), ...others]
  return RequestServer.listen({ ...address, routes })
}

/** The models of the topologies, each once; without variants, of which the group chooses one. */
function modelsOf(topologies: readonly PreparedTopology[]): readonly ServedModel[] {
  const byName = new Map<string, ServedModel>()
  const steps = topologies.flatMap((topology) => [...topology.scorers.values()])
  for (const { step, scorers } of steps) {
    if (step.variants !== null) continue
    for (const [name, scorer] of scorers) {
      const model = step.models[name]
      if (model === undefined || isRule(model) || byName.has(scorer.name)) continue
      byName.set(scorer.name, served(model, scorer))
    }
  }
  return [...byName.values()]
}
