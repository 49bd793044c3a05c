import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { messageOf, TidemarkError } from '../kernel/errors.ts'

/** The content of a model file. All later checks use these bytes, even if the file changes. */
export interface ModelBytes {
  readonly file: URL
  readonly bytes: Buffer
  /** Lower-case hex. */
  readonly sha256: string
}

/** A file's path as shown to users; for other protocols the URL. */
export function shown(file: URL): string {
  return file.protocol === 'file:' ? fileURLToPath(file) : file.href
}

/** Reads and hashes a model file. @throws TidemarkError `MODEL_FILE` when it cannot be read */
export async function readModel(file: URL, where: string): Promise<ModelBytes> {
  try {
    // Reading a pipe would wait for whoever writes into it.
    if (!(await stat(file)).isFile()) throw new Error('it is not a file')
    const bytes = await readFile(file)
    return { file, bytes, sha256: createHash('sha256').update(bytes).digest('hex') }
  } catch (cause) {
    throw new TidemarkError(
      'MODEL_FILE',
      `the model file ${shown(file)} cannot be read: ${messageOf(cause)}`,
      {
        where,
        hint: "check the path: a definition's `file` is relative to the definition's own file, --model to the working directory",
        cause,
      },
    )
  }
}

/** `MODEL_LOAD` with what is probably wrong with a file that ONNX Runtime refuses. */
export function refusedModel(
  { file, bytes }: ModelBytes,
  where: string,
  cause: unknown,
): TidemarkError {
  const { what, hint } = diagnose(bytes, messageOf(cause))
  const message = `${shown(file)} (${bytes.length} bytes) ${what}`
  return new TidemarkError('MODEL_LOAD', message, { where, hint, cause })
}

interface Diagnosis {
  /** Follows the file's name in the message. */
  readonly what: string
  readonly hint: string
}

const WHOLE_FILE =
  'half a file, or another kind of file? copy it again and compare its size and sha256'

/** Error messages of ONNX Runtime 1.30 and what they mean. */
const DIAGNOSES: readonly {
  readonly pattern: RegExp
  readonly of: (found: RegExpExecArray) => Diagnosis
}[] = [
  {
    pattern: /protobuf parsing failed/i,
    of: () => ({ what: 'is not a whole ONNX file', hint: WHOLE_FILE }),
  },
  {
    pattern: /Opset (\d+) is under development[^]*domain (\S+) is till opset (\d+)/,
    of: ([, asked, domain, newest]) => ({
      what: `needs opset ${asked} of ${domain}; this ONNX Runtime knows up to ${newest}`,
      hint: `export with a lower opset: target_opset=${newest} or less (torch: opset_version)`,
    }),
  },
  {
    pattern: /IR version:? ?(\d+)[^]*version:? ?(\d+)/i,
    of: ([, asked, newest]) => ({
      what: `has IR version ${asked}; this ONNX Runtime reads up to ${newest}`,
      hint: `set model.ir_version to ${newest} or less before saving, or export with an older onnx package`,
    }),
  },
  {
    pattern: /external data/i,
    of: () => ({
      what: 'keeps weights in a second file',
      hint: 'save one file: onnx.save(onnx.load(path), path), or torch.onnx.export(..., external_data=False)',
    }),
  },
  {
    pattern: /(\S+) is not a registered function\/op/,
    of: ([, operator]) => ({
      what: `uses the operator ${operator}, which ONNX Runtime does not have`,
      hint: 'export with standard operators only (domains ai.onnx, ai.onnx.ml and com.microsoft)',
    }),
  },
]

/** The C++ file, line and function that some messages begin with. */
const SOURCE_PLACE = /^\/\S+:\d+ [^]*?\) (?=[A-Z])/

function diagnose(bytes: Buffer, message: string): Diagnosis {
  if (bytes.length === 0) return { what: 'is empty', hint: WHOLE_FILE }
  if (bytes.subarray(0, 40).toString('latin1').startsWith('version https://git-lfs')) {
    return {
      what: 'is a Git LFS pointer, not the model',
      hint: 'fetch the file itself: git lfs pull',
    }
  }
  for (const { pattern, of } of DIAGNOSES) {
    const found = pattern.exec(message)
    if (found !== null) return of(found)
  }
  const plain = message.replace(SOURCE_PLACE, '').trim()
  return {
    what: `is refused by ONNX Runtime: ${plain}`,
    hint: 'check it with onnx.checker.check_model(path) and export it again',
  }
}
