import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../support/paths.ts'
import { GENERATED } from './generated-pages.ts'

// npm run docs

for (const [page, text] of Object.entries(GENERATED)) writeFileSync(join(ROOT, page), text())
