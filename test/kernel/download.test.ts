import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { DownloadError, download } from '../../src/kernel/download.ts'
import { deadAddress } from '../services/dead-address.ts'
import { serving } from '../services/http-server.ts'

const limits = (left = 1_000_000, ms = 200_000) => ({
  budget: { left },
  signal: AbortSignal.timeout(ms),
})

async function refusal(downloading: Promise<unknown>): Promise<DownloadError> {
  const error = await downloading.then(
    () => null,
    (thrown) => thrown,
  )
  expect(error).toBeInstanceOf(DownloadError)
  return error as DownloadError
}

test('follows redirects on the same origin, and takes its headers along', async () => {
  const url = await serving((request, response) => {
    if (request.url === '/there') response.end(`for ${request.headers.authorization}`)
    else response.writeHead(307, { location: '/there' }).end()
  })
  const headers = { authorization: 'Bearer x' }
  expect((await download(url, { ...limits(), headers })).toString()).toBe('for Bearer x')
})

test.each([
  'https://127.0.0.1:1/',
  'http://localhost/',
  '//evil/',
  'http://',
  'file:///etc/passwd',
])('does not follow a redirect to %s', async (location) => {
  const url = await serving((_, response) => response.writeHead(302, { location }).end())
  const { message, isOutage } = await refusal(download(url, limits()))
  expect(message).toMatch(/redirects to another origin/)
  expect(isOutage).toBe(false)
})

test('ends redirects that do not end', async () => {
  const url = await serving((_, response) => response.writeHead(302, { location: '/' }).end())
  expect((await refusal(download(url, limits()))).message).toMatch(/redirects again and again/)
})

test('ends an endless body at the bound, which counts decoded bytes of all downloads', async () => {
  const packed = gzipSync(Buffer.alloc(600))
  const url = await serving((request, response) => {
    if (request.url === '/packed') {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(packed)
      return
    }
    const more = () => {
      while (response.write(Buffer.alloc(100_000)));
    }
    response.on('drain', more)
    more()
  })
  const bounds = limits(1_000)
  expect(await download(new URL('/packed', url), bounds)).toHaveLength(600)
  const second = await refusal(download(new URL('/packed', url), bounds))
  const endless = await refusal(download(url, limits()))
  for (const { message, isOutage } of [second, endless]) {
    expect(message).toMatch(/more bytes than allowed/)
    expect(isOutage).toBe(false)
  }
})

test.each([
  ['before its answer', false],
  ['in the middle of it', true],
])('a server that stalls %s is an outage at the time limit', async (_, begins) => {
  const url = await serving((_request, response) => {
    if (begins) response.writeHead(200).write('x')
  })
  const { message, isOutage } = await refusal(download(url, limits(1_000, 100)))
  expect(message).toMatch(/does not answer: it took too long/)
  expect(isOutage).toBe(true)
})

test('a refusal has its status and the start of its text; that of a broken server is an outage', async () => {
  const url = await serving((request, response) =>
    response.writeHead(Number(request.url?.slice(1))).end('x'.repeat(1_000_000)),
  )
  const refused = await refusal(download(new URL('/404', url), limits()))
  expect(refused).toMatchObject({ status: 404, isOutage: false, answer: 'x'.repeat(2_000) })
  expect(await refusal(download(new URL('/503', url), limits()))).toMatchObject({ isOutage: true })
})

test('nothing that listens is an outage', async () => {
  const url = new URL(`http://${await deadAddress()}`)
  expect(await refusal(download(url, limits()))).toMatchObject({ status: null, isOutage: true })
})
