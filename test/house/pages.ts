import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../support/paths.ts'

// The pages that a reader is given: README.md, and all of docs/.

export function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}

/** Files in a folder and below whose names match, by their path from the root. */
export function filesIn(folder: string, name: RegExp): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => join(folder, file))
    .filter((file) => name.test(file) && !file.includes('node_modules'))
    .sort()
}

/** Every page, README.md first. */
export const PAGES: readonly string[] = ['README.md', ...filesIn('docs', /\.md$/)]

/** A fenced block of a page. */
export interface Block {
  readonly page: string
  readonly line: number
  /** The text behind the opening fence. */
  readonly language: string
  readonly text: string
}

export function blocksOf(page: string): Block[] {
  const text = read(page)
  return [...text.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)].map((match) => ({
    page,
    line: text.slice(0, match.index).split('\n').length,
    language: match[1] as string,
    text: match[2] as string,
  }))
}

/** A page without its blocks. */
export function proseOf(page: string): string {
  return read(page).replace(/^```[^\n]*\n.*?^```$/gms, '')
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf(page: string): Set<string> {
  const seen = new Map<string, number>()
  const anchors = [...proseOf(page).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => {
    const slug = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}\s_-]/gu, '')
      .replaceAll(' ', '-')
    const before = seen.get(slug) ?? 0
    seen.set(slug, before + 1)
    return before === 0 ? slug : `${slug}-${before}`
  })
  return new Set(anchors)
}
