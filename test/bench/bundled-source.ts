import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { CpuProfile, Frame } from './cpu-profile.ts'

// The build is bundled, so a profile names chunks. esbuild writes the name of each source file
// before its code.

const BUNDLED = /^(file:\/\/.*\/)dist\/.+\.js$/
const SOURCE = /^\/\/ (src\/.+)$/

/**
 * The profile with the URLs of frames in a bundle replaced by those of their source files. Reads
 * the bundle, which must still exist.
 */
export function sourced(profile: CpuProfile): CpuProfile {
  const files = new Map<string, readonly string[]>()
  const sourcesOf = (url: string) => {
    const known = files.get(url) ?? sourceByLine(readFileSync(fileURLToPath(url), 'utf8'))
    files.set(url, known)
    return known
  }
  const frameOf = (frame: Frame): Frame => {
    const [, root] = BUNDLED.exec(frame.url) ?? []
    const source = root === undefined ? '' : sourcesOf(frame.url)[frame.lineNumber]
    return source ? { ...frame, url: `${root}${source}` } : frame
  }
  const nodes = profile.nodes.map((node) => ({ ...node, callFrame: frameOf(node.callFrame) }))
  return { ...profile, nodes }
}

/** The source file of each line; empty if it has none. */
export function sourceByLine(text: string): readonly string[] {
  let source = ''
  return text.split('\n').map((line) => {
    source = SOURCE.exec(line)?.[1] ?? source
    return source
  })
}
