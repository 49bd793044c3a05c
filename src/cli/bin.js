#!/usr/bin/env node
// Plain JavaScript, so that it starts without a build. In a checkout, which has build.js beside
// this file, `dist` is brought up to date first; an installed package ships `dist` and leaves
// build.js out.
import { existsSync } from 'node:fs'
import module from 'node:module'

// From Node 22.1 on, what is compiled for one start serves the next; a folder that cannot be
// written does no harm.
module.enableCompileCache?.()
const build = new URL('./build.js', import.meta.url)
if (existsSync(build)) {
  const { buildWhenStale } = await import(build.href)
  await buildWhenStale()
}
const { main } = await import('../../dist/cli/main.js')
await main(process.argv.slice(2))
// A broker that hangs may hold a connection open, which nobody needs any more.
setTimeout(() => process.exit(), 2_000).unref()
