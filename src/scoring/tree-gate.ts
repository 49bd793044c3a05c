import { messageOf } from '../kernel/errors.ts'
import { EDITION } from '../trees/edition.ts'
import { type Compared, compareApart } from './compare-apart.ts'
import type { ModelBytes } from './model-bytes.ts'
import type { ModelCache } from './model-cache.ts'
import type { TreeReading } from './tree-reading.ts'
import { TreeRunner } from './tree-runner.ts'

/**
 * A runner of the model's trees, if a comparison made now or at an earlier start has shown that it
 * returns the same bits as ONNX Runtime, and sooner; otherwise the reason why the model stays with
 * ONNX Runtime.
 */
export async function provenTrees(
  found: Pick<ModelBytes, 'bytes' | 'sha256'>,
  reading: TreeReading,
  cache: ModelCache,
): Promise<TreeRunner | string> {
  const { input, outputs, features } = reading
  const verdicts = {
    kind: 'trees',
    dependsOn: {
      model: found.sha256,
      reading: { input, outputs, features: features.length },
      trees: EDITION,
    },
    read: verdictOf,
  } as const
  const { bytes } = found
  let verdict = await cache.kept(verdicts)
  if (verdict === null && TreeRunner.mayRead(bytes)) {
    try {
      verdict = await cache.known({ ...verdicts, find: () => compareApart({ bytes, reading }) })
    } catch (error) {
      return `not compared: ${messageOf(error)}`
    }
  }
  return verdict?.whyNot ?? TreeRunner.of(bytes, reading)
}

function verdictOf(kept: unknown): Compared | null {
  const { whyNot } = (kept ?? {}) as Partial<Compared>
  return whyNot === null || typeof whyNot === 'string' ? { whyNot } : null
}
