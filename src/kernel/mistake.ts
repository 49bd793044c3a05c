declare const whatToDo: unique symbol

/**
 * A type that nothing has. It stands where the compiler would say only what does not fit, and tells
 * what to do instead.
 */
export interface Mistake<Sentence extends string> {
  readonly [whatToDo]: Sentence
}
