/**
 * What an author's function may read fields of that nobody has declared. The compiler then checks
 * neither their names nor their types.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- `unknown` has no fields
export type Anything = any
