import { messageOf } from '../kernel/errors.ts'
import { compareApart } from './compare-apart.ts'
import type { ModelBytes } from './model-bytes.ts'
import type { TreeReading } from './tree-reading.ts'
import { TreeRunner } from './tree-runner.ts'
import { keepVerdict, readVerdict, verdictFile } from './tree-verdicts.ts'

/**
 * A runner that gives the same bits as ONNX Runtime, by a comparison made now or at an earlier start; else why the model stays with
 * ONNX Runtime.
 */
export async function provenTrees(
  found: Pick<ModelBytes, 'bytes' | 'sha256'>,
  reading: TreeReading,
): Promise<TreeRunner | string> {
  const trees = TreeRunner.of(found.bytes, reading)
  if (typeof trees === 'string') return trees
  try {
    const file = verdictFile(found, reading)
    const known = await readVerdict(file)
    const verdict = known ?? (await compareApart({ bytes: found.bytes, reading }))
    if (known === null) await keepVerdict(file, verdict)
    return verdict.differs ?? trees
  } catch (error) {
    return `not compared: ${messageOf(error)}`
  }
}
