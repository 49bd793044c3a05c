import ts from 'typescript'
import { expect, test } from 'vitest'
import { programOf } from './program.ts'

/**
 * What an author can reach from `tidemark` that has no doc comment: exports, and the members of
 * those that are types of ours.
 */
function undocumented(path: string): string[] {
  const { program, file } = programOf(path)
  const checker = program.getTypeChecker()
  const isSaid = (symbol: ts.Symbol) => symbol.getDocumentationComment(checker).length > 0
  const module = checker.getSymbolAtLocation(file) as ts.Symbol
  return checker.getExportsOfModule(module).flatMap((exported) => {
    const symbol =
      (exported.flags & ts.SymbolFlags.Alias) === 0 ? exported : checker.getAliasedSymbol(exported)
    const members = [...(symbol.members?.values() ?? [])].filter(
      (member) => (member.flags & (ts.SymbolFlags.Property | ts.SymbolFlags.Method)) !== 0,
    )
    return [
      ...(isSaid(symbol) ? [] : [exported.name]),
      ...members.filter((m) => !isSaid(m)).map((m) => `${exported.name}.${m.name}`),
    ]
  })
}

test('every word and type of the package says what it is', () => {
  expect(undocumented('src/index.ts')).toEqual([])
})
