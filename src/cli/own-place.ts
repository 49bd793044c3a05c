import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

// By what name another folder gets this very Tidemark. A tarball and a checkout have versions that
// no registry need have.

/** What an installation of packages leaves in its folder. */
interface Project {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** What is fetched from elsewhere than a registry. */
const ADDRESS = /^(https?|git(\+\w+)?|github|gitlab|bitbucket):/

/**
 * What to write beside `"tidemark"` in a package.json: `file:` and the checkout, or what it was
 * installed from where that is a tarball, a folder or an address; else its version, which came from
 * a registry.
 *
 * @param root the folder of this package
 */
export function ownPlace(root: string, version: string): string {
  if (isCheckout(root)) return `file:${root}`
  const { spec, folder } = installedAs(root)
  if (spec.startsWith('file:')) return `file:${resolve(folder, spec.slice('file:'.length))}`
  return ADDRESS.test(spec) ? spec : version
}

/** An installed package ships no build.js. */
export function isCheckout(root: string): boolean {
  return existsSync(join(root, 'src/cli/build.js'))
}

/**
 * What the project asked for in whose folder this package lies; nothing where there is none, as
 * after `npm install --global`.
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
