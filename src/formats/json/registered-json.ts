import type { RegisteredSchema } from '../../registry/schema-registry.ts'
import type { PayloadDecoder } from '../registry/payload-decoder.ts'
import { parseJson } from './event-decoder.ts'

/**
 * Decodes values of a JSON Schema. They are not validated by it: the topology's own schema does
 * that.
 */
export function jsonDecoder({ text }: RegisteredSchema): PayloadDecoder {
  const type = titleOf(text)
  return { decode: (payload) => ({ value: parseJson(payload), type }) }
}

function titleOf(text: string): string | null {
  try {
    const { title } = JSON.parse(text) as { title?: unknown }
    return typeof title === 'string' ? title : null
  } catch {
    return null
  }
}
