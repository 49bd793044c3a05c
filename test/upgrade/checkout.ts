import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SOAK_TOPOLOGIES } from '../soak/topics.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const LOCK = 'package-lock.json'
/** Path of the payments' topology in a checkout. */
export const TOPOLOGY = 'test/upgrade/topologies/card-fraud.ts'
/** Paths that its workers need and an older version did not have. */
const NEEDED = [SOAK_TOPOLOGIES, 'test/soak/patient.ts', TOPOLOGY]
const W1 = 'test/bench/topologies/w1.ts'

/**
 * A folder with an older version, ready to run; `null`: the history here does not hold it. Whoever
 * asks removes it.
 */
export async function checkout(commit: string): Promise<string | null> {
  const git = (args: readonly string[]) =>
    execFileSync('git', args, {
      cwd: ROOT,
      maxBuffer: 2 ** 28,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  try {
    git(['cat-file', '-e', `${commit}^{commit}`])
  } catch {
    return null
  }
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-before-'))
  execFileSync('tar', ['-x', '-C', folder], { input: git(['archive', commit]) })
  const isSame = readFileSync(join(folder, LOCK)).equals(readFileSync(join(ROOT, LOCK)))
  if (isSame) symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  else execFileSync('npm', ['ci', '--no-fund', '--no-audit'], { cwd: folder, stdio: 'ignore' })
  for (const path of NEEDED) cpSync(join(ROOT, path), join(folder, path), { recursive: true })
  if (!existsSync(join(folder, W1))) {
    // There, it was what was shipped.
    mkdirSync(dirname(join(folder, W1)), { recursive: true })
    writeFileSync(join(folder, W1), "export { default } from '../../../topologies/card-fraud.ts'\n")
  }
  // Built by one, before several workers start: of old, starts that build at once disturb each
  // other.
  execFileSync(process.execPath, ['src/cli/bin.js', '--version'], { cwd: folder, stdio: 'ignore' })
  return folder
}
