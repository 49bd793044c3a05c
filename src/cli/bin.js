#!/usr/bin/env node
// Plain JavaScript, so that it starts without a build. In a checkout, where build.js is next to
// this file, it first brings `dist` up to date; an installed package has `dist` but no build.js.
import { existsSync } from 'node:fs'
import module from 'node:module'

// From Node 22.1 on, compiled code is cached for the next start.
module.enableCompileCache?.()
const build = new URL('./build.js', import.meta.url)
if (existsSync(build)) {
  const { buildWhenStale } = await import(build.href)
  await buildWhenStale()
}
const { endProcess, main } = await import('../../dist/cli/main.js')
await main(process.argv.slice(2))
endProcess()
