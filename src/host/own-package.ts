import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/** The folder of this package, also for bundled code: `dist/chunks` is as deep as this folder. */
export const PACKAGE = new URL('../../', import.meta.url)

type Project = Partial<Record<'dependencies' | 'devDependencies', Record<string, string>>>

const ADDRESS = /^(https?|git(\+\w+)?|github|gitlab|bitbucket):/

/**
 * The specifier of exactly this package in a package.json: the checkout; or the tarball, folder or
 * URL that it was installed from; or its version, if it came from a registry.
 * @param root the folder of this package
 */
export function packageSpecifier(root: string, version: string): string {
  if (isCheckout(root)) return `file:${root}`
  const { spec, folder } = installedAs(root)
  if (spec.startsWith('file:')) return `file:${resolve(folder, spec.slice('file:'.length))}`
  return ADDRESS.test(spec) ? spec : version
}

export function isCheckout(root: string): boolean {
  return existsSync(join(root, 'src/cli/build.js'))
}

/**
 * The specifier by which the surrounding project depends on this package, and its folder; an empty
 * specifier if there is no such project, as after `npm install --global`.
 */
function installedAs(root: string): { spec: string; folder: string } {
  for (let folder = dirname(root); folder !== dirname(folder); folder = dirname(folder)) {
    const file = join(folder, 'package.json')
    if (!existsSync(file)) continue
    const { dependencies, devDependencies } = JSON.parse(readFileSync(file, 'utf8')) as Project
    const spec = dependencies?.['tidemark'] ?? devDependencies?.['tidemark']
    if (spec !== undefined) return { spec, folder }
  }
  return { spec: '', folder: root }
}
