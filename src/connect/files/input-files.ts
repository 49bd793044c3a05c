import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
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
    // The names of some files look like globs.
    const isGlob = isDynamicPattern(pattern) && !existsSync(pattern)
    const paths = isGlob
      ? (await glob(pattern, { dot: true, absolute: isAbsolute(pattern) })).sort()
      : [pattern]
    if (paths.length === 0) faults.push(configFault('no file fits this glob', pattern))
    for (const path of paths) {
      try {
        const stats = await stat(path)
        if (stats.isDirectory()) faults.push(configFault('is a folder', path, `${path}/*`))
        else files.push({ path, kind: kindOf(path), bytes: stats.size })
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
