/** How the values of one sink are written, where that is not as JSON alone. */
export interface OutputFormat {
  /**
   * A value as its record has it, once {@link settle} has resolved.
   * @throws TidemarkError `OUTPUT_INVALID`
   */
  encode(value: unknown): Buffer
  /**
   * Finds out what encoding needs, such as the id of a schema. Must resolve before anything is
   * consumed.
   * @throws TidemarkError `REGISTRY_UNAVAILABLE`, which passes, or one that refuses the start
   */
  settle(): Promise<void>
}
