declare const whatToDo: unique symbol

/**
 * A type that no value has. Used where the compiler would only say that something does not fit, to
 * say what to do instead.
 */
export interface Mistake<Sentence extends string> {
  readonly [whatToDo]: Sentence
}
