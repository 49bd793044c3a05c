// Types that stand where an author's own types would.

/** A value whose fields nobody has declared: the compiler checks neither their names nor types. */
// oxlint-disable-next-line typescript/no-explicit-any -- `unknown` has no fields
export type Anything = any

declare const whatToDo: unique symbol

/**
 * A type that no value has. Where the compiler would only say that something does not fit, it says
 * what to do instead.
 */
export interface Mistake<Sentence extends string> {
  readonly [whatToDo]: Sentence
}
