import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { globSync } from 'tinyglobby'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { ROOT } from '../support/paths.ts'

// Words that name nothing: a value has the noun that its reader would say instead.

const NAMELESS = ['of', 'what', 'own']
/** Rooms that still have such values, and the windows, which are to be written anew. */
const LEFT = /^src\/engine\/store\//

/** The names of variables, parameters and private fields in a source, as `name:line`. */
function valueNames(text: string): string[] {
  const source = ts.createSourceFile('source.ts', text, ts.ScriptTarget.Latest, true)
  const names: string[] = []
  const visit = (node: ts.Node) => {
    const declares =
      ts.isVariableDeclaration(node) ||
      ts.isParameter(node) ||
      ts.isBindingElement(node) ||
      (ts.isPropertyDeclaration(node) && ts.isPrivateIdentifier(node.name))
    if (declares && (ts.isIdentifier(node.name) || ts.isPrivateIdentifier(node.name))) {
      const { line } = source.getLineAndCharacterOfPosition(node.name.getStart())
      names.push(`${node.name.text.replace('#', '')}:${line + 1}`)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return names
}

function isNameless(name: string): boolean {
  return NAMELESS.includes(name.split(':')[0] as string)
}

test('variables, parameters and private fields are found by their names', () => {
  const text = [
    'const of = 1',
    'const { own, a: what } = f((of) => of)',
    'class A { #own = 1; of = 2 }',
    'for (const what of list) try {} catch (own) {}',
    'type F = { of: number }',
  ]
  expect(valueNames(text.join('\n')).filter(isNameless)).toEqual([
    ...['of:1', 'own:2', 'what:2', 'of:2', 'own:3', 'what:4', 'own:4'],
  ])
})

test('no value is named with a word that names nothing', () => {
  const paths = globSync('src/**/*.{ts,js}', { cwd: ROOT }).sort()
  const named = paths
    .filter((path) => !LEFT.test(path))
    .flatMap((path) => {
      const names = valueNames(readFileSync(join(ROOT, path), 'utf8'))
      return names.filter(isNameless).map((name) => `${path} ${name}`)
    })
  expect(named).toEqual([])
})
