// Compiles the AssemblyScript sources: `npm run build:wasm`. The result is committed, so that
// running does not need a compiler.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import asc from 'assemblyscript/asc'

const ROOT = join(import.meta.dirname, '..')
const OPTIONS = ['-O3', '--enable', 'simd', '--runtime', 'stub', '--importMemory', '--noExportMemory']

/** The compiled WebAssembly of src/trees/assembly/sums.ts, as base64. */
export async function compiledSums() {
  const files = new Map()
  const into = { writeFile: (name, contents) => files.set(name, contents) }
  const asked = ['src/trees/assembly/sums.ts', ...OPTIONS, '-o', 'sums.wasm', '--baseDir', ROOT]
  const { error, stderr } = await asc.main(asked, into)
  if (error !== null) throw new Error(`${error.message}\n${stderr}`)
  return Buffer.from(files.get('sums.wasm')).toString('base64')
}

if (process.argv[1] === import.meta.filename) {
  const lines = (await compiledSums()).match(/.{1,90}/g).map((line) => `  '${line}'`)
  writeFileSync(
    join(ROOT, 'src/trees/sums-wasm.ts'),
    `// Made of assembly/sums.ts by \`npm run build:wasm\`.\n\n/** WebAssembly, as base64. */\nexport const SUMS =\n${lines.join(' +\n')}\n`,
  )
}
