import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { readModel, readUnchecked } from '../../src/scoring/unchecked-model.ts'
import { Certificates } from '../services/certificates.ts'
import { startTidemark } from '../services/tidemark.ts'
import { folderWith } from '../support/folder.ts'
import { cardModel } from './support.ts'

afterEach(() => vi.unstubAllEnvs())

const MODEL = cardModel('card-gbdt')
const PATH = '/models/karten%20betrug.onnx'

test('a model by https is the file at the URL, and with its hash it is downloaded once', async () => {
  const certificates = new Certificates()
  const { cert, key, certFile } = certificates.make('IP:127.0.0.1')
  const asked: string[] = []
  const server = createServer({ cert, key }, (request, response) => {
    asked.push(request.url ?? '')
    response.end(readFileSync(MODEL.file))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}${PATH}`
  const env = { NODE_EXTRA_CA_CERTS: certFile, XDG_CACHE_HOME: folderWith({}) }
  const inspect = async (text: string) => startTidemark(['model', 'inspect', text], { env }).ended
  try {
    const hashed = `${url}#sha256=${MODEL.sha256}`
    for (const place of [url, hashed, hashed]) {
      const { code, stderr, stdout } = await inspect(place)
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toContain(`sha256    ${MODEL.sha256}`)
    }
    expect(asked).toEqual([PATH, PATH])
    await expect(readModel(new URL(url), 'here', { folder: null })).rejects.toMatchObject({
      message: expect.stringMatching(/does not answer: self-signed certificate/),
      hint: expect.stringMatching(/NODE_EXTRA_CA_CERTS/),
    })
  } finally {
    server.close()
    certificates.remove()
  }
})

const { sha256: _, ...unstated } = MODEL
const remote = new URL('https://127.0.0.1/model.onnx')

test.each<{ a: string; model: typeof unstated; chosen: string | null }>([
  { a: 'file that a definition names', model: unstated, chosen: null },
  { a: 'URL that a definition names', model: { ...unstated, file: remote }, chosen: null },
  { a: 'URL that an operator chose', model: MODEL, chosen: remote.href },
  { a: 'URL with half a hash', model: MODEL, chosen: `${remote.href}#sha256=abc` },
])('a $a is refused without a sha256, before it is read', async ({ model, chosen }) => {
  const reading = readUnchecked({ model, where: 'here' }, chosen, null)
  await expect(reading).rejects.toMatchObject({ code: 'MODEL_SHA256', where: 'here' })
})
