import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { TidemarkError } from '../kernel/errors.ts'
import type { Metrics } from '../observe/metric-registry.ts'
import type { Probes } from './health.ts'

interface HttpOptions {
  /** @default 127.0.0.1: not reachable over the network */
  readonly host?: string
  /** 0: any free port. */
  readonly port: number
  readonly probes: Probes
  readonly metrics: Pick<Metrics, 'contentType' | 'text'>
}

export type HttpServer = Awaited<ReturnType<typeof serveHttp>>

/**
 * Serves `/metrics`, `/livez` and `/readyz`.
 * @throws TidemarkError `CONFIG_INVALID` when the address cannot be listened on
 */
export async function serveHttp(options: HttpOptions) {
  const { host = '127.0.0.1', port } = options
  const server = createAdaptorServer({ fetch: routes(options).fetch }) as Server
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (thrown) {
    throw cannotListen(thrown, `${host}:${port}`, OTHER_PORT)
  }
  // For example, no more sockets can be opened: no reason for the worker to end.
  server.on('error', (error) => process.emitWarning(`serving HTTP failed: ${error.message}`))
  return {
    host,
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export function routes({ probes, metrics }: Pick<HttpOptions, 'probes' | 'metrics'>): Hono {
  const app = new Hono()
  app.get('/metrics', async (c) => {
    return c.body(await metrics.text(), 200, { 'content-type': metrics.contentType })
  })
  app.get('/livez', async (c) => {
    const liveness = await probes.liveness()
    return c.json(liveness, liveness.live ? 200 : 503)
  })
  app.get('/readyz', async (c) => {
    const readiness = await probes.readiness()
    return c.json(readiness, readiness.ready ? 200 : 503)
  })
  return app
}

const OTHER_PORT = 'choose another port with --http-port; 0 picks a free one, off serves nothing'

/** @param otherPort how to choose another port */
export function cannotListen(thrown: unknown, address: string, otherPort: string): TidemarkError {
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown'
  const inUse = code === 'EADDRINUSE'
  const why = inUse ? 'the port is in use' : code
  return new TidemarkError('CONFIG_INVALID', `cannot serve HTTP on ${address}: ${why}`, {
    hint: inUse ? otherPort : 'check host and port',
    cause: thrown,
  })
}
