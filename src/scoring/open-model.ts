import { messageOf, TidemarkError } from '../kernel/errors.ts'
import { LACKS_MEMORY } from './memory-limit.ts'
import { shown } from './model-files.ts'
import { OnnxSession } from './onnx-session.ts'
import { type ModelReading, type OpenedModel, readingOf } from './runner.ts'
import { ModelRefused, ThreadRunner } from './thread-runner.ts'
import { labelOf, type ModelBytes, type UncheckedModel } from './unchecked-model.ts'

/** @throws TidemarkError `MODEL_LOAD` */
export function openInline(
  unchecked: UncheckedModel,
  reading = readingOf(unchecked.model),
): Promise<OpenedModel> {
  return openSession(unchecked, reading)
}

/** @throws TidemarkError `MODEL_LOAD` */
export async function openSession(
  { modelFile, where }: Pick<UncheckedModel, 'modelFile' | 'where'>,
  reading: ModelReading,
): Promise<OnnxSession> {
  try {
    return await OnnxSession.load(modelFile.bytes, reading, modelFile.weights)
  } catch (cause) {
    throw refusedModel(modelFile, where, cause)
  }
}

/** @throws TidemarkError `MODEL_LOAD` */
export async function openInThread(
  uncheckedModel: UncheckedModel,
  reading: ModelReading,
  isBackground: boolean,
): Promise<OpenedModel> {
  const { modelFile, where } = uncheckedModel
  try {
    const { bytes, weights } = modelFile
    const data = {
      bytes,
      weights: weights.map(({ path, bytes: part }) => ({ path, bytes: part })),
      reading,
      isBackground,
    }
    return await ThreadRunner.start(labelOf(uncheckedModel), data)
  } catch (cause) {
    if (cause instanceof ModelRefused) throw refusedModel(modelFile, where, cause)
    const message = `${labelOf(uncheckedModel)}: its scoring thread did not start: ${messageOf(cause)}`
    const hint = 'is the package built and complete? the thread loads dist/scoring/scorer-thread.js'
    throw new TidemarkError('MODEL_LOAD', message, { where, hint, cause })
  }
}

function refusedModel({ file, bytes, size }: ModelBytes, where: string, cause: unknown) {
  const { fault, hint } = diagnose(bytes, messageOf(cause))
  const message = `${shown(file)} (${size} bytes) ${fault}`
  return new TidemarkError('MODEL_LOAD', message, { where, hint, cause })
}

interface Diagnosis {
  readonly fault: string
  readonly hint: string
}

const WHOLE_FILE =
  'half a file, or another kind of file? copy it again and compare its size and sha256'

/** Error messages of ONNX Runtime 1.30 and their meanings. */
const DIAGNOSES: readonly {
  readonly pattern: RegExp
  readonly explain: (match: RegExpExecArray) => Diagnosis
}[] = [
  {
    pattern: /protobuf parsing failed/i,
    explain: () => ({ fault: 'is not a whole ONNX file', hint: WHOLE_FILE }),
  },
  {
    pattern: /Opset (\d+) is under development[^]*domain (\S+) is till opset (\d+)/,
    explain: ([, asked, domain, newest]) => ({
      fault: `needs opset ${asked} of ${domain}; this ONNX Runtime knows up to ${newest}`,
      hint: `export with a lower opset: target_opset=${newest} or less (torch: opset_version)`,
    }),
  },
  {
    pattern: /IR version:? ?(\d+)[^]*version:? ?(\d+)/i,
    explain: ([, asked, newest]) => ({
      fault: `has IR version ${asked}; this ONNX Runtime reads up to ${newest}`,
      hint: `set model.ir_version to ${newest} or less before saving, or export with an older onnx package`,
    }),
  },
  {
    pattern: LACKS_MEMORY,
    explain: () => ({
      fault: 'needs more memory than is free',
      hint: 'give the process more memory, or use a smaller model',
    }),
  },
  {
    pattern: /external data/i,
    explain: () => ({
      fault: 'keeps weights in a second file',
      hint: 'save one file: onnx.save(onnx.load(path), path), or torch.onnx.export(..., external_data=False)',
    }),
  },
  {
    pattern: /(\S+) is not a registered function\/op/,
    explain: ([, operator]) => ({
      fault: `uses the operator ${operator}, which ONNX Runtime does not have`,
      hint: 'export with standard operators only (domains ai.onnx, ai.onnx.ml and com.microsoft)',
    }),
  },
]

/** The C++ file, line and function at the head of some messages. */
const SOURCE_PLACE = /^\/\S+:\d+ [^]*?\) (?=[A-Z])/

function diagnose(bytes: Buffer, message: string): Diagnosis {
  if (bytes.length === 0) return { fault: 'is empty', hint: WHOLE_FILE }
  if (bytes.subarray(0, 40).toString('latin1').startsWith('version https://git-lfs')) {
    return {
      fault: 'is a Git LFS pointer, not the model',
      hint: 'fetch the file itself: git lfs pull',
    }
  }
  for (const { pattern, explain } of DIAGNOSES) {
    const match = pattern.exec(message)
    if (match !== null) return explain(match)
  }
  const plain = message.replace(SOURCE_PLACE, '').trim()
  return {
    fault: `is refused by ONNX Runtime: ${plain}`,
    hint: 'check it with onnx.checker.check_model(path) and export it again',
  }
}
