import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

// How another project can depend on exactly this Tidemark. The version of a tarball or of a
// checkout may not be in any registry.

/** The dependencies in a package.json. */
interface Project {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** Specifiers of packages that do not come from a registry. */
const ADDRESS = /^(https?|git(\+\w+)?|github|gitlab|bitbucket):/

/**
 * The specifier for `"tidemark"` in a package.json: `file:` and the checkout; or what this package
 * was installed from, if that is a tarball, a folder or a URL; or its version, if it came from a
 * registry.
 *
 * @param root the folder of this package
 */
export function ownPlace(root: string, version: string): string {
  if (isCheckout(root)) return `file:${root}`
  const { spec, folder } = installedAs(root)
  if (spec.startsWith('file:')) return `file:${resolve(folder, spec.slice('file:'.length))}`
  return ADDRESS.test(spec) ? spec : version
}

/** Whether this is a checkout: an installed package has no build.js. */
export function isCheckout(root: string): boolean {
  return existsSync(join(root, 'src/cli/build.js'))
}

/**
 * The specifier by which the surrounding project depends on this package, and that project's
 * folder; an empty specifier if there is no such project, as after `npm install --global`.
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
