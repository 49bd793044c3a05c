import type { RegisteredSchema } from '../../registry/schema-registry.ts'
import type { PayloadDecoder, ScanTarget } from '../registry/payload-decoder.ts'
import { parseJson } from './event-decoder.ts'
import { LIMITS } from './limits.ts'
import { Scanner } from './scanner.ts'

/**
 * Decodes values of a JSON Schema. They are not validated by it: the topology's own schema does
 * that.
 * @param target `null`: every value is decoded
 */
export function jsonDecoder({ text }: RegisteredSchema, target: ScanTarget | null): PayloadDecoder {
  const type = titleOf(text)
  const scanner = target === null ? null : new Scanner(target.bound, LIMITS)
  return {
    scan: scanner && ((at, columns, row) => scanner.scan(at, columns, row)),
    decode: (payload) => ({ value: parseJson(payload), type }),
  }
}

function titleOf(text: string): string | null {
  try {
    const { title } = JSON.parse(text) as { title?: unknown }
    return typeof title === 'string' ? title : null
  } catch {
    return null
  }
}
