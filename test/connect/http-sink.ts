import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Connector } from '../../src/connect/system.ts'
import { TidemarkError } from '../../src/kernel/errors.ts'

// A connector that is not of this project: it POSTs the values of sinks to a server.

interface HttpOptions {
  readonly url: string
}

export const httpConnector: Connector<HttpOptions> = {
  label: 'HTTP',
  settings: {},
  hint: 'say where the server is',
  optionsOf: () => null,
  plainHint: () => null,
  faults: () => [],
  sinkFaults: () => [],

  async open({ url }) {
    return {
      label: 'HTTP',
      address: url,
      connect: async () => {},
      sink: () => ({
        async write(records) {
          for (const { topic, key, value } of records) {
            const path = `${topic}/${encodeURIComponent(String(key))}`
            const { ok, status } = await fetch(new URL(path, url), { method: 'POST', body: value })
            if (!ok) throw new TidemarkError('COMMIT_FAILED', `the server answers ${status}`)
          }
        },
        close: async () => {},
      }),
      close: async () => {},
    }
  },
}

/** A server that keeps what is posted, by path, and refuses values that are not JSON. */
export async function postedServer() {
  const posted = new Map<string, string[]>()
  const keep = async (request: IncomingMessage) => {
    const [path, value] = [decodeURIComponent(request.url ?? ''), await text(request)]
    if (!/^["{]/.test(value)) return 400
    posted.set(path, [...(posted.get(path) ?? []), value])
    return 204
  }
  const server = createServer((request, response) => {
    void keep(request).then((status) => response.writeHead(status).end())
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  const close = () => new Promise<void>((resolve) => void server.close(() => resolve()))
  return { posted, url: `http://127.0.0.1:${port}/`, close }
}
