// Checks comments that switch off lint rules. A lint rule cannot do that: the comment would switch
// it off too. node .config/lint-comments.js FOLDER…
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Files in which no rule may be switched off. */
const WALLED = /^(src\/(topology|engine)|topologies)\//
const SWITCH = /\/[/*]\s*((?:oxlint|eslint)-disable|biome-ignore-(?:all|start)).*/g
const FOR_ONE_LINE = /lint-disable-(next-)?line\b/
const NAMED_WITH_REASON = /-line [\w@/-]+(, [\w@/-]+)* -- \S/

/** The rule that such a comment breaks; `null`: none. */
function brokenBy(path, comment) {
  if (!FOR_ONE_LINE.test(comment)) return 'no-disable-for-a-file'
  if (WALLED.test(path)) return 'no-disable-behind-the-wall'
  return NAMED_WITH_REASON.test(comment) ? null : 'disable-names-rule-and-reason'
}

const files = process.argv.slice(2).flatMap((folder) =>
  readdirSync(folder, { recursive: true })
    .filter((name) => /\.[cm]?[jt]s$/.test(name))
    .map((name) => join(folder, name).replaceAll('\\', '/')),
)
for (const path of files.toSorted()) {
  const text = readFileSync(path, 'utf8')
  for (const { 0: comment, index } of text.matchAll(SWITCH)) {
    const rule = brokenBy(path, comment)
    if (rule === null) continue
    const line = text.slice(0, index).split('\n').length
    process.stderr.write(`${path}:${line} ${rule}: ${comment}\n`)
    process.exitCode = 1
  }
}
