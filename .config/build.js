// `npm run build`: all of `dist` anew, with the declarations of types, as it is published.
import { rmSync } from 'node:fs'
import { buildWhenStale, declareWhenStale } from '../src/cli/build.js'

rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true })
await buildWhenStale()
await declareWhenStale()
