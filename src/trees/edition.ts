import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'

const folder = new URL('.', import.meta.url)
const hash = createHash('sha256')
for (const name of readdirSync(folder, { encoding: 'utf8', recursive: true }).sort()) {
  if (name.endsWith('.ts')) hash.update(name).update(readFileSync(new URL(name, folder)))
}

/** Hash of the files here, on which verdicts depend. The build puts its value into `dist`. */
export const EDITION = hash.digest('hex').slice(0, 12)
