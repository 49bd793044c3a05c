// Formats of a sink's values, other than JSON. Data only: the room formats/ encodes.

/** Records in Confluent's wire format, all of one schema, with its text as a registry takes it. */
export interface RegisteredFormat extends Required<SchemaOptions> {
  /** How values are encoded. */
  readonly is: 'avro' | 'protobuf' | 'json-schema'
  /** The schema's text, as a registry takes it. */
  readonly schema: string
  /** Name of the Protobuf message; `null`: the only one, or it is not Protobuf. */
  readonly message: string | null
}

/** Where the schema of a sink is in the registry, and how it gets there. */
export interface SchemaOptions {
  /**
   * The schema's subject. `topic`: the topic that is really written, plus `-value` · `record`: the
   * full name of the record or message, in JSON Schema the `title`. @default 'topic'
   */
  readonly subject?: 'topic' | 'record'
  /**
   * Whether a worker may add the schema to its subject when it starts; one that is not compatible
   * is then refused, `SCHEMA_REJECTED`. @default false: a subject without exactly this schema is
   * refused, `SCHEMA_NOT_REGISTERED`
   */
  readonly register?: boolean
}

/** Options of {@link protobuf}. */
export interface ProtobufOptions extends SchemaOptions {
  /**
   * The message that is written, with the package if several have this name: `Payment`,
   * `shop.Order.Line`. @default the only one; several are refused at start, `TOPOLOGY_INVALID`
   */
  readonly message?: string
}

/**
 * For the `format` of a sink: values in Avro, in Confluent's wire format. A value is as {@link
 * registry} gives it: a record is an object, an enum its symbol. A missing field gets the
 * schema's default; without one, or with a field that the schema does not have, the event is a dead
 * letter `OUTPUT_INVALID`.
 *
 * @param schema in Avro's JSON form, as an object or as text
 */
export function avro(schema: object | string, o: SchemaOptions = {}): RegisteredFormat {
  return registeredFormat('avro', textOf(schema), o)
}

/**
 * For the `format` of a sink: values in Protobuf, in Confluent's wire format. A value is as
 * {@link registry} gives it. A field that is missing or `null` has no value. With a field that the
 * message does not have, the event is a dead letter `OUTPUT_INVALID`.
 *
 * @param source the text of a `.proto` file; it may import Protobuf's own files only
 */
export function protobuf(source: string, o: ProtobufOptions = {}): RegisteredFormat {
  return { ...registeredFormat('protobuf', source, o), message: o.message ?? null }
}

/**
 * For the `format` of a sink: values in JSON after a schema's id, in Confluent's wire format. An
 * event whose JSON the schema does not accept is a dead letter `OUTPUT_INVALID`; `format` is not
 * checked.
 *
 * @param schema of the drafts 6, 7, 2019-09 or 2020-12 (`$schema`; draft 7 without it), as an
 * object or as text, such as `z.toJSONSchema(Prediction)`
 */
export function jsonSchema(schema: object | string, o: SchemaOptions = {}): RegisteredFormat {
  return registeredFormat('json-schema', textOf(schema), o)
}

function registeredFormat(
  is: RegisteredFormat['is'],
  schema: string,
  { subject = 'topic', register = false }: SchemaOptions,
): RegisteredFormat {
  return { is, schema, message: null, subject, register }
}

function textOf(schema: object | string): string {
  return typeof schema === 'string' ? schema : JSON.stringify(schema)
}
