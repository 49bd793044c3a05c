import { type Block, blocksOf } from './pages.ts'

// The features of docs/windows-and-aggregates.md, put into the page's first topology.

export const PAGE = 'docs/windows-and-aggregates.md'

export interface Example {
  readonly name: string
  readonly code: string
  /** The value that the page gives for its last payment. */
  readonly wanted: string
}

const [topology] = blocksOf(PAGE).filter(({ language }) => language === 'ts')

export const EXAMPLES: readonly Example[] = blocksOf(PAGE)
  .filter(({ language }) => language === 'ts feature')
  .map(({ text }) => {
    const [, name = '', code = '', wanted = ''] = /^(\w+): (.+), \/\/ (.+)\n$/.exec(text) ?? []
    return { name, code, wanted }
  })

/** The module with all of the features. */
export function moduleOfExamples(): string {
  const features = EXAMPLES.map(({ name, code }) => `        ${name}: ${code},`).join('\n')
  const names = EXAMPLES.map(({ name }) => `'${name}'`).join(', ')
  return (topology as Block).text
    .replace("features: ['count1h', 'count10m']", `features: [${names}]`)
    .replace(/(?<=return \{\n).*?(?=\n *\})/s, features)
}
