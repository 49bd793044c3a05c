import { hasInexact, isInexact } from '../../kernel/json.ts'

/** The rule of a field with one, in words. */
export const ROUNDED = 'an integer, and the value has one beyond ±(2^53 − 1)'

/**
 * Tells whether a value has an integer beyond ±(2^53 − 1) where a JSON Schema declares an integer.
 * `null`: it declares none. A `$ref` without a name is looked for in all documents.
 * @param named the schemas that it refers to
 */
export function declaredIntegers(schema: unknown, named: ReadonlyMap<string, unknown> = new Map()) {
  const documents = [schema, ...named.values()]
  if (!JSON.stringify(documents).includes('"integer"')) return null
  const referred = (ref: string): unknown[] => {
    const [name = '', pointer = ''] = ref.split('#')
    const schemas = name === '' ? documents : [named.get(name)]
    return schemas.map((document) => pointer.split('/').slice(1).reduce(partOf, document))
  }
  const isFound = (value: unknown, schemas: readonly unknown[]): boolean => {
    const rules = wholeRules(schemas, referred)
    if (typeof value !== 'object' || value === null) {
      return (
        isInexact(value) && rules.some((rule) => [partOf(rule, 'type')].flat().includes('integer'))
      )
    }
    const ruleOf = Array.isArray(value) ? itemRule : fieldRule
    return Object.entries(value).some(([name, part]) => {
      const inner = rules.map((rule) => ruleOf(rule, name))
      return isFound(part, inner)
    })
  }
  return (value: unknown) => hasInexact(value) && isFound(value, [schema])
}

/** The rules and all that they consist of, each once. */
function wholeRules(schemas: readonly unknown[], referred: (ref: string) => unknown[]): unknown[] {
  const rules = new Set(schemas)
  // A set goes on with the rules that are added meanwhile.
  for (const rule of rules) {
    const ref = partOf(rule, '$ref')
    const parts = ['anyOf', 'oneOf', 'allOf', 'then', 'else'].map((name) => partOf(rule, name))
    if (typeof ref === 'string') parts.push(referred(ref))
    for (const part of parts.flat()) rules.add(part)
  }
  return [...rules]
}

function fieldRule(rule: unknown, name: string): unknown {
  return partOf(partOf(rule, 'properties'), name) ?? partOf(rule, 'additionalProperties')
}

function itemRule(rule: unknown, index: string): unknown {
  const items = partOf(rule, 'items')
  return partOf(partOf(rule, 'prefixItems') ?? items, index) ?? items
}

function partOf(value: unknown, name: string): unknown {
  const isOwn = typeof value === 'object' && value !== null && Object.hasOwn(value, name)
  return isOwn ? (value as Readonly<Record<string, unknown>>)[name] : undefined
}
