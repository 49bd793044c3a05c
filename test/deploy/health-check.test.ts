import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../support/paths.ts'

// What Docker runs to see whether a container of the images works.

function healthCheckOf(dockerfile: string): string[] {
  const text = readFileSync(join(ROOT, dockerfile), 'utf8')
  const command = /^HEALTHCHECK [^[]*CMD (\[.*\])$/m.exec(text)?.[1] ?? '[]'
  return JSON.parse(command) as string[]
}

const [IMAGE, ANOTHER] = ['deploy/Dockerfile', 'topologies/starter/Dockerfile'].map(healthCheckOf)

async function exitOf(port: number): Promise<number> {
  const [node = '', ...args] = IMAGE as string[]
  expect(node).toBe('node')
  const env = { ...process.env, TIDEMARK_HTTP_PORT: String(port) }
  const [code] = await once(spawn(process.execPath, args, { env, stdio: 'ignore' }), 'exit')
  return code as number
}

test('an image is healthy while /livez answers 200 at its port', async () => {
  let status = 200
  const server = createServer(({ url }, answer) => {
    answer.writeHead(url === '/livez' ? status : 404).end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  expect(await exitOf(port)).toBe(0)
  status = 503
  expect(await exitOf(port)).toBe(1)
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  expect(await exitOf(port)).toBe(1)
})

test('both images ask for their health in the same way', () => {
  expect(ANOTHER).toEqual(IMAGE)
})
