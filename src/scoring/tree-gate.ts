import { messageOf } from '../kernel/errors.ts'
import { EDITION } from '../trees/edition.ts'
import { type Compared, compareApart } from './compare-apart.ts'
import type { ModelBytes } from './model-bytes.ts'
import type { ModelCache } from './model-cache.ts'
import type { TreeReading } from './tree-reading.ts'
import { TreeRunner } from './tree-runner.ts'

/**
 * A runner of the model's trees, if a comparison made now or at an earlier start has shown that it
 * returns the same bits as ONNX Runtime; otherwise the reason why the model stays with ONNX
 * Runtime.
 */
export async function provenTrees(
  found: Pick<ModelBytes, 'bytes' | 'sha256'>,
  reading: TreeReading,
  cache: ModelCache,
): Promise<TreeRunner | string> {
  const trees = TreeRunner.of(found.bytes, reading)
  if (typeof trees === 'string') return trees
  try {
    const { input, outputs, features } = reading
    const verdict = await cache.known({
      kind: 'trees',
      dependsOn: {
        model: found.sha256,
        reading: { input, outputs, features: features.length },
        trees: EDITION,
      },
      read: verdictOf,
      find: () => compareApart({ bytes: found.bytes, reading }),
    })
    return verdict.differs ?? trees
  } catch (error) {
    return `not compared: ${messageOf(error)}`
  }
}

function verdictOf(kept: unknown): Compared | null {
  const { differs } = (kept ?? {}) as Partial<Compared>
  return differs === null || typeof differs === 'string' ? { differs } : null
}
