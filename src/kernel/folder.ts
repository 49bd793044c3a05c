import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Creates a folder and those around it, as far as they do not exist. Node's own way (`recursive`)
 * never returns where a file system denies that a folder exists and does not let it be created, as
 * `/proc` does (Node 20 to 24).
 * @throws Error what the file system answers
 */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    makeFolder(dirname(path))
    mkdirSync(path)
  }
}
