import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeFolder } from '../../src/kernel/node.ts'

let here: string

beforeEach(() => {
  here = mkdtempSync(join(tmpdir(), 'tidemark-folder-'))
})

afterEach(() => {
  rmSync(here, { recursive: true })
})

test('creates a folder and those around it, once', () => {
  const folder = join(here, 'a', 'b', 'c')
  makeFolder(folder)
  makeFolder(folder)
  expect(existsSync(folder)).toBe(true)
})

test('throws what the file system answers', () => {
  writeFileSync(join(here, 'file'), '')
  expect(() => makeFolder(join(here, 'file', 'a', 'b'))).toThrow('ENOTDIR')
})

test.runIf(existsSync('/proc/self'))('ends where no folder can be created', () => {
  expect(() => makeFolder('/proc/none/a/b')).toThrow('ENOENT')
})
