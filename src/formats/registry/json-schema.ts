import { createRequire } from 'node:module'
import type { Ajv, ErrorObject, Options, ValidateFunction } from 'ajv'
import { TidemarkError } from '../../kernel/errors.ts'
import { jsonObject, jsonOrNull } from '../../kernel/json.ts'
import type { RegisteredSchema, WholeSchema } from '../../registry/schema-registry.ts'
import { isFieldName, pathOf } from '../../topology/schema.ts'
import { checkedEncode, type Misfit } from '../fit.ts'
import { declaredIntegers, ROUNDED } from '../json/declared-integers.ts'
import { outputText } from '../json/output.ts'
import { parseJson } from '../json/parse-json.ts'
import { Scanner } from '../json/scanner.ts'
import type { PayloadDecoder, PayloadEncoder, ScanTarget } from '../payload.ts'

type Validator = new (o: Options) => Pick<Ajv, 'addSchema' | 'compile'>

/** Modules of ajv, by a part of `$schema`. */
const MODULES: readonly (readonly [part: string, module: string])[] = [
  ['draft-06', 'ajv'],
  ['draft-07', 'ajv'],
  ['2019-09', 'ajv/dist/2019.js'],
  ['2020-12', 'ajv/dist/2020.js'],
]
const require = createRequire(import.meta.url)

/** JSON Schema checks no `format`, and ignores unknown keywords. */
const OPTIONS: Options = { strict: false, validateFormats: false, logger: false }

/** @throws Error the fault of the schema */
export function jsonSchemaEncoder({ text, references }: WholeSchema): PayloadEncoder {
  const schema = objectIn(text)
  const validate = compiled(schema, references)
  const title = typeof schema['title'] === 'string' ? schema['title'] : null
  // Validates the written form, in which NaN is null and a Date is a text.
  const fit = (json: unknown) =>
    validate(JSON.parse(json as string)) ? null : misfitOf(validate.errors?.[0])
  const words = title === null ? 'JSON Schema' : `JSON Schema ${title}`
  const encode = checkedEncode(words, fit, (json) => Buffer.from(json as string))
  return { type: title, encode: (value) => encode(outputText(value)) }
}

function objectIn(text: string): Readonly<Record<string, unknown>> {
  const schema: unknown = JSON.parse(text)
  if (typeof schema === 'object' && schema !== null && !Array.isArray(schema)) {
    return schema as Record<string, unknown>
  }
  throw new Error('it is not an object')
}

function compiled(
  schema: Readonly<Record<string, unknown>>,
  references: WholeSchema['references'],
): ValidateFunction {
  const { $schema = 'draft-07', ...rules } = schema
  const draft = typeof $schema === 'string' ? $schema : ''
  const draftModule = MODULES.find(([part]) => draft.includes(part))
  if (draftModule === undefined) {
    throw new Error(`$schema "${draft}" is not draft 6, 7, 2019-09 or 2020-12`)
  }
  const { default: Schemas } = require(draftModule[1]) as { readonly default: Validator }
  const ajv = new Schemas(OPTIONS)
  for (const { name, text } of references) {
    // Both have the draft of the schema that refers to the other.
    const { $schema: _, ...rest } = objectIn(text)
    ajv.addSchema(rest, name)
  }
  return ajv.compile(rules)
}

function misfitOf(error: ErrorObject | undefined): Misfit {
  if (error === undefined) return { at: '', why: 'does not match' }
  const { instancePath, message = 'does not match', params } = error
  const keys = instancePath.split('/').slice(1).map(keyOf)
  const path = pathOf(keys)
  const extra: unknown = params['additionalProperty'] ?? params['unevaluatedProperty']
  const named = typeof extra === 'string' && isFieldName(extra) ? `: ${extra}` : ''
  return { at: path === '' ? '' : `.${path}`, why: `${message}${named}` }
}

/** A key in a JSON pointer. https://www.rfc-editor.org/rfc/rfc6901 */
function keyOf(part: string): string | number {
  const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
  return /^\d+$/.test(key) ? Number(key) : key
}

/**
 * Decodes values. Only their integers are compared with the schema: the topology's validates them.
 */
export function jsonSchemaDecoder(
  { id, text, references }: RegisteredSchema,
  target: ScanTarget | null,
): PayloadDecoder {
  const title = jsonObject(text)?.['title']
  const type = typeof title === 'string' ? title : null
  const named = new Map(references.map((reference) => [reference.name, jsonOrNull(reference.text)]))
  const isRounded = declaredIntegers(jsonOrNull(text), named)
  const below = isRounded === null ? Infinity : 2 ** 53
  const scanner = target === null ? null : new Scanner({ ...target.bound, below })
  return {
    scan: scanner && ((at, columns, row) => scanner.scan(at, columns, row)),
    decode: (payload) => {
      const value = parseJson(payload)
      if (!isRounded?.(value)) return { value, type }
      throw new TidemarkError('PAYLOAD_INVALID', `JSON schema ${id} declares ${ROUNDED}`)
    },
  }
}
