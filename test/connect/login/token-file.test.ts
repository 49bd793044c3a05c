import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { tokensOfFile } from '../../../src/connect/kafka/client/tokens.ts'
import { HandClock } from '../../support/clocks.ts'
import { folderWith } from '../../support/folder.ts'
import { thrownBy } from '../../support/thrown.ts'

const NOW_MS = 1_700_000_000_000

function jwt(expiresAtMs: number): string {
  const claims = Buffer.from(JSON.stringify({ exp: expiresAtMs / 1_000 })).toString('base64url')
  return `e30.${claims}.sig`
}

function tokenFile(content: string) {
  const path = join(folderWith({ token: content }), 'token')
  const clock = new HandClock(NOW_MS)
  return { path, clock, file: tokensOfFile(path, clock) }
}

test('the token of a file is read again when another file takes its place', async () => {
  const { path, file } = tokenFile('first\n')
  expect(await file.current()).toEqual({ value: 'first', expiresAtMs: Number.POSITIVE_INFINITY })
  writeFileSync(`${path}.next`, 'second')
  renameSync(`${path}.next`, path)
  expect(await file.current()).toMatchObject({ value: 'second' })
})

test('the token of an unchanged file is one and the same', async () => {
  const { file } = tokenFile('token')
  expect(await file.current()).toBe(await file.current())
})

test('a token that has run out is used again once it is replaced', async () => {
  const { path, clock, file } = tokenFile(jwt(NOW_MS + 1_000))
  expect(await file.current()).toMatchObject({ expiresAtMs: NOW_MS + 1_000 })
  clock.advance(1_500)
  const { code, message } = await thrownBy(file.current())
  expect(code).toBe('BROKER_UNAVAILABLE')
  expect(message).toBe(`the access token in ${path} ran out 500 ms ago`)
  writeFileSync(path, jwt(NOW_MS + 2_000))
  expect(await file.current()).toMatchObject({ expiresAtMs: NOW_MS + 2_000 })
})

test.each([
  ['is empty', ''],
  ['has several lines', 'one\ntwo'],
])('a file that %s is no token', async (_, content) => {
  const { path, file } = tokenFile(content)
  expect(await thrownBy(file.current())).toMatchObject({
    code: 'BROKER_UNAVAILABLE',
    message: `the access token in ${path} is no bearer token (RFC 6750)`,
  })
})

test('a file that is gone is told with its path, and read again when it is back', async () => {
  const { path, file } = tokenFile('token')
  rmSync(path)
  const { message, hint } = await thrownBy(file.current())
  expect(message).toContain(`the access token in ${path} cannot be read: ENOENT`)
  expect(hint).toContain('replace it')
  writeFileSync(path, 'token')
  expect(await file.current()).toMatchObject({ value: 'token' })
})
