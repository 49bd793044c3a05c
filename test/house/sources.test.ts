import { basename } from 'node:path'
import { expect, test } from 'vitest'
import { filesIn, read } from './pages.ts'

// Rules about the files of src that no linter has.

const FILES = filesIn('src', /\.ts$/)

/** A fingerprint and a description hold the kind of a step and ask nothing by it. */
const WRITTEN = /\[step\.op, |\bop: (?:step\.op|Step\['op'\])/g
/** The property by its name or taken apart, and fields that only one kind of step has. */
const ASKED = /\.op\b|'op'|[{,]\s*op\b|\bop\s*[,}:]|'(?:then|keep|models|kinds|withinMs)' in /

test('nothing outside the operators and the topology asks for the kind of a step', () => {
  const others = FILES.filter((file) => !/^src\/(topology|engine\/operators)\//.test(file))
  expect(others.length).toBeGreaterThan(100)
  const asking = others.filter((file) => ASKED.test(read(file).replace(WRITTEN, '')))
  expect(asking.map((file) => basename(file))).toEqual([])
})

const EXPORT =
  /^export (?:declare |abstract |async )*(?:function\*?|class|const|let|interface|type|enum) (\w+)/gm

test('no exported name is declared in two files', () => {
  const names = FILES.flatMap((file) => [
    ...new Set(Array.from(read(file).matchAll(EXPORT), ([, name]) => name as string)),
  ])
  expect(names.length).toBeGreaterThan(500)
  expect(twice(names)).toEqual([])
})

test('no two files of one room have the same name', () => {
  // Each system outside has a room.
  const roomOf = (file: string) => /^src\/(connect\/\w+|\w+)\//.exec(file)?.[1]
  expect(twice(FILES.map((file) => `${roomOf(file)}: ${basename(file)}`))).toEqual([])
})

function twice(names: readonly string[]): string[] {
  return names.filter((name, i) => names.indexOf(name) < i)
}
