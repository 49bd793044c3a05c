import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { CpuProfile, Frame } from './cpu-profile.ts'

// What is built is bundled: a profile names chunks. Before what comes of a source file, esbuild
// writes the file's name.

const BUNDLED = /^(file:\/\/.*\/)dist\/.+\.js$/
const SOURCE = /^\/\/ (src\/.+)$/

/**
 * The profile, with the source file of what is bundled as its frames' address. Reads the bundle,
 * which must still be there.
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

/** By line, the source file it came from; empty where it is of none. */
export function sourceByLine(text: string): readonly string[] {
  let source = ''
  return text.split('\n').map((line) => {
    source = SOURCE.exec(line)?.[1] ?? source
    return source
  })
}
