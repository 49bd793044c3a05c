import { join } from 'node:path'
import ts from 'typescript'
import { ROOT } from '../support/paths.ts'

/** A program of this package's settings over one file, which need not be there: `text` is what stands in it. */
export function programOf(
  path: string,
  text?: string,
): { program: ts.Program; file: ts.SourceFile } {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (file) => ts.sys.readFile(file))
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT)
  const host = ts.createCompilerHost(options)
  const name = join(ROOT, path)
  if (text !== undefined) {
    const read = host.getSourceFile.bind(host)
    host.getSourceFile = (file, version, ...rest) =>
      file === name ? ts.createSourceFile(file, text, version) : read(file, version, ...rest)
  }
  const program = ts.createProgram([name], options, host)
  return { program, file: program.getSourceFile(name) as ts.SourceFile }
}
