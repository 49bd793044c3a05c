import type { Metrics } from '../observe/metric-registry.ts'
import type { NumberedStatus } from '../observe/status.ts'
import type { Probes } from './health.ts'
import { httpRoute, probeRoute } from './request.ts'
import { type RequestAddress, RequestServer } from './request-server.ts'

interface HttpOptions extends Pick<RequestAddress, 'host' | 'port' | 'token'> {
  readonly probes: Probes
  readonly metrics: Pick<Metrics, 'contentType' | 'text'>
  /** The status of each worker. */
  readonly status: () => Promise<readonly NumberedStatus[]>
}

/**
 * Serves `/metrics`, `/livez` and `/readyz` to everybody, and `/status` to those who may ask.
 * @throws TidemarkError `CONFIG_INVALID` when the address cannot be listened on
 */
export function serveHttp({
  probes,
  metrics,
  status,
  ...address
}: HttpOptions): Promise<RequestServer> {
  const scrape = async () => {
    const headers = { 'content-type': metrics.contentType }
    return { headers, body: [Buffer.from(await metrics.text())] }
  }
  const routes = [
    httpRoute('none', 'GET /status', async () => ({ body: { workers: await status() } })),
    { ...httpRoute('none', 'GET /metrics', scrape), access: 'open' as const },
    probeRoute('none', 'GET /livez', async () => {
      const body = await probes.liveness()
      return { status: body.live ? 200 : 503, body }
    }),
    probeRoute('none', 'GET /readyz', async () => {
      const body = await probes.readiness()
      return { status: body.ready ? 200 : 503, body }
    }),
  ]
  const otherPort = 'choose another port with --http-port; 0 picks a free one, off serves nothing'
  return RequestServer.listen({ ...address, otherPort, routes })
}
