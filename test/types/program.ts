import { join } from 'node:path'
import ts from 'typescript'
import { ROOT } from '../support/paths.ts'

/**
 * A program of this package's settings over one file, which need not be there: `text` is what
 * stands in it.
 */
export function programOf(
  path: string,
  text?: string,
): { program: ts.Program; file: ts.SourceFile } {
  const program = programOver([path], text === undefined ? {} : { [path]: text })
  return { program, file: program.getSourceFile(join(ROOT, path)) as ts.SourceFile }
}

/**
 * The same over several files, which may import each other; `texts` are of those that need not be
 * there.
 */
export function programOver(
  paths: readonly string[],
  texts: Readonly<Record<string, string>>,
): ts.Program {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (file) => ts.sys.readFile(file))
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT)
  const host = ts.createCompilerHost(options)
  const given = new Map(Object.entries(texts).map(([path, text]) => [join(ROOT, path), text]))
  const onDisk = { ...host }
  host.getSourceFile = (file, version, ...rest) => {
    const text = given.get(file)
    return text === undefined
      ? onDisk.getSourceFile(file, version, ...rest)
      : ts.createSourceFile(file, text, version)
  }
  host.fileExists = (file) => given.has(file) || onDisk.fileExists(file)
  host.readFile = (file) => given.get(file) ?? onDisk.readFile(file)
  return ts.createProgram(
    paths.map((path) => join(ROOT, path)),
    options,
    host,
  )
}
