import { expect, test } from 'vitest'
import { Sockets } from '../../src/records/kafka/sockets.ts'
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

test('a socket that is ended while it connects is gone, and ends nothing later', async () => {
  const [port = 0] = await freePorts(1)
  const sockets = new Sockets()
  const ssl = undefined as never
  const socket = sockets.factory({ host: '127.0.0.1', port, ssl, onConnect: () => {} })
  socket.end()
  expect(socket.destroyed).toBe(true)
  await new Promise((resolve) => socket.once('close', resolve))
  sockets.close()
})
