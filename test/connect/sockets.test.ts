import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { Sockets } from '../../src/connect/kafka/client/sockets.ts'
import { freePorts } from '../services/ports.ts'

test('a socket that is closed collects no listeners, however often the library lets go of it', async () => {
  const [port = 0] = await freePorts(1)
  const sockets = new Sockets()
  const ssl = undefined as never
  const socket = sockets.factory({ host: '127.0.0.1', port, ssl, onConnect: () => {} })
  socket.on('error', () => {})
  await new Promise((resolve) => socket.once('close', resolve))
  for (let i = 0; i < 20; i++) socket.unref()
  expect(socket.listenerCount('connect')).toBeLessThan(3)
  sockets.close()
})

test('a socket that is ended while it connects is gone, and says so', async () => {
  const [port = 0] = await freePorts(1)
  const sockets = new Sockets()
  const ssl = undefined as never
  const socket = sockets.factory({ host: '127.0.0.1', port, ssl, onConnect: () => {} })
  const errors: string[] = []
  socket.on('error', (error) => errors.push(error.message))
  socket.end()
  expect(socket.destroyed).toBe(true)
  await new Promise((resolve) => socket.once('close', resolve))
  expect(errors).toEqual(['it was ended before it was connected'])
  sockets.close()
})

test('so is one that has not agreed on TLS yet', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const sockets = new Sockets()
  const ssl = { rejectUnauthorized: false }
  const socket = sockets.factory({ host: '127.0.0.1', port, ssl, onConnect: () => {} })
  const failed = once(socket, 'error')
  await once(socket, 'connect')
  socket.end()
  await expect(failed).resolves.toMatchObject([{ message: 'it was ended before it was connected' }])
  sockets.close()
  silent.close()
})
