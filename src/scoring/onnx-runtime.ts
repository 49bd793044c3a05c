import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { InferenceSession, TensorConstructor } from 'onnxruntime-node'
import { configFault, messageOf, type TidemarkError } from '../kernel/errors.ts'
import { ON_CPU, type Placement } from './runner.ts'

const { provider: CPU } = ON_CPU
/** The only execution provider of ONNX Runtime that every machine has. */
export const ONLY_CPU: readonly string[] = [CPU]

/** In the package, but it needs the drivers of a display. */
const NOT_OFFERED = ['webgpu']

const INSTALL = 'npm install onnxruntime-node --onnxruntime-node-install=cuda12'

export function onnxRuntimeVersion(): string {
  const require = createRequire(import.meta.url)
  return (require('onnxruntime-node/package.json') as { version: string }).version
}

/** ONNX Runtime, which few need: trees alone save 40 MB. */
async function onnxRuntime() {
  // It sends telemetry unless the environment says no now.
  process.env['ORT_DISABLE_TELEMETRY'] ??= '1'
  const runtime = await import('onnxruntime-node')
  // Errors are thrown anyway.
  runtime.env.logLevel = 'fatal'
  return runtime
}

export function providersFault(providers: readonly string[]): string | null {
  const repeated = providers.find((name, i) => providers.indexOf(name) !== i)
  if (repeated !== undefined) return `"${repeated}" is given twice`
  return providers.at(-1) === CPU ? null : `the last is not ${CPU}, which every machine has`
}

/** A fault for each provider that ONNX Runtime does not have on this platform. */
export async function unknownProviders(providers: readonly string[]): Promise<TidemarkError[]> {
  if (providers.length === 1) return []
  const { listSupportedBackends } = await onnxRuntime()
  const all = listSupportedBackends().map(({ name }) => name)
  const offered = all.filter((name) => !NOT_OFFERED.includes(name))
  return providers
    .filter((name) => !offered.includes(name))
    .map((name) => {
      const message = `ONNX Runtime has no provider "${name}" here`
      return configFault(message, '--providers', `it has ${offered.join(', ')}`)
    })
}

export interface CreatedSession {
  readonly session: InferenceSession
  readonly tensorType: TensorConstructor
  readonly placement: Placement
}

/**
 * One thread, so that a row returns the same bits in any batch. Weights in other files are given as
 * bytes, which the sha256 covers, so the folder of these files is where no file can be.
 */
const OPTIONS: InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  // Fatal errors only: others are thrown anyway, and may contain values of a row.
  logSeverityLevel: 4,
  extra: { session: { model_external_initializers_file_folder_path: '/dev/null' } },
}

/**
 * Creates a session on the first provider that can, each by itself, because ONNX Runtime throws for
 * a list in which a library lacks. @throws Error of the last one, with ONNX Runtime's message
 */
export async function createSession(
  bytes: Uint8Array,
  externalData: NonNullable<InferenceSession.SessionOptions['externalData']>,
  [provider = CPU, ...others]: readonly string[] = ONLY_CPU,
): Promise<CreatedSession> {
  const { InferenceSession: sessions, Tensor: tensorType } = await onnxRuntime()
  const options = { ...OPTIONS, externalData, executionProviders: [provider] }
  try {
    const session = await sessions.create(bytes, options)
    return { session, tensorType, placement: { provider, notes: [] } }
  } catch (cause) {
    if (others.length === 0) throw cause
    const created = await createSession(bytes, externalData, others)
    const note = `ONNX Runtime does not use ${provider}: ${reasonOf(provider, cause)}; it needs NVIDIA's libraries and a GPU, and \`${INSTALL}\``
    const notes = [note, ...created.placement.notes]
    return { ...created, placement: { ...created.placement, notes } }
  }
}

/** The loader's message, which ONNX Runtime tells on stderr only, about a library that lacks. */
function reasonOf(provider: string, cause: unknown): string {
  if (process.platform !== 'linux') return messageOf(cause)
  const folder = join(
    dirname(createRequire(import.meta.url).resolve('onnxruntime-node')),
    `../bin/napi-v6/linux/${process.arch}`,
  )
  try {
    process.dlopen({ exports: {} }, join(folder, `libonnxruntime_providers_${provider}.so`))
  } catch (error) {
    const message = messageOf(error).replaceAll(`${folder}/`, '')
    // Loaded, it is not an addon of Node's.
    if (!message.includes('did not self-register')) return message
  }
  return messageOf(cause)
}
