/** Encodes values with one schema. */
export interface PayloadEncoder {
  /** Full name of the record or message that it writes; `null`: the schema has no name. */
  readonly type: string | null
  /**
   * Encodes a value.
   * @returns what follows the schema's id in a record's value
   * @throws TidemarkError `OUTPUT_INVALID`: the value does not fit the schema
   */
  readonly encode: (value: unknown) => Uint8Array
}
