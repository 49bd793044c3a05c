import { stat } from 'node:fs/promises'
import { glob, isDynamicPattern } from 'tinyglobby'
import { configFault, messageOf, refuseIfAny, type TidemarkError } from '../../kernel/errors.ts'

export interface InputFile {
  readonly path: string
  readonly kind: 'lines' | 'csv' | 'parquet'
  readonly bytes: number
}

/**
 * The files of paths and globs: the paths in their order, the files of a glob in the order of their
 * names.
 * @throws Refused with a fault for each that is not there
 */
export async function inputFiles(patterns: readonly string[]): Promise<readonly InputFile[]> {
  const files: InputFile[] = []
  const faults: TidemarkError[] = []
  for (const pattern of patterns) {
    const paths = isDynamicPattern(pattern)
      ? (await glob(pattern, { dot: true })).sort()
      : [pattern]
    if (paths.length === 0) faults.push(configFault('no file fits this glob', pattern))
    for (const path of paths) {
      try {
        const { size: bytes } = await stat(path)
        files.push({ path, kind: kindOf(path), bytes })
      } catch (error) {
        faults.push(configFault(`cannot read the input: ${messageOf(error)}`, path))
      }
    }
  }
  refuseIfAny(faults)
  return files
}

function kindOf(path: string): InputFile['kind'] {
  if (/\.parquet$/i.test(path)) return 'parquet'
  return /\.csv(\.gz)?$/i.test(path) ? 'csv' : 'lines'
}
