import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { DeclaredProps } from './schema-form.ts'
import type { Formatted } from './source-format.ts'

/**
 * A CloudEvent: its attributes (CloudEvents 1.0.2, section 3) under names of TypeScript, and its
 * data. `D` is the type of the data.
 */
export interface CloudEvent<D> {
  /** Identifies the event among those of its source; not empty. */
  readonly id: string
  /** Where it happened, a URI reference; not empty. */
  readonly source: string
  /** What happened, such as `com.example.payment.made`; not empty. */
  readonly type: string
  /**
   * When it happened, ms since the epoch; what is finer is cut off. `null`: the attribute `time` is
   * not set.
   */
  readonly timeMs: number | null
  /** What of the source it is about; `null`: not set. */
  readonly subject: string | null
  /** Media type of the data, `datacontenttype`; `null`: not set. */
  readonly dataContentType: string | null
  /** URI of a schema that the data adheres to, `dataschema`; `null`: not set. */
  readonly dataSchema: string | null
  /** All other attributes by name, each as text: `true` and `17` are `'true'` and `'17'`. */
  readonly extensions: Readonly<Record<string, string>>
  /** As the schema returns it. */
  readonly data: D
}

/** A schema of CloudEvents, by the schema `S` of their data. */
type CloudEventSchema<S extends StandardSchemaV1> = StandardSchemaV1<
  CloudEvent<StandardSchemaV1.InferInput<S>>,
  CloudEvent<StandardSchemaV1.InferOutput<S>>
>

/**
 * For the `schema` of a source: its records are CloudEvents 1.0, as the Kafka protocol binding
 * defines them, in structured mode (as JSON) or in binary mode (attributes in headers). The event
 * is a {@link CloudEvent}, and `schema` validates its data.
 *
 * Data is what its media type says: JSON, or where none is set; text for `text/…` and XML; a Buffer
 * for anything else. A record that is no CloudEvent is a dead letter `PAYLOAD_INVALID`; one whose
 * data does not fit, `SCHEMA_INVALID`.
 */
export function cloudEvents<S extends StandardSchemaV1>(schema: S): Formatted<CloudEventSchema<S>> {
  return { schema: cloudEventSchema(schema), format: { is: 'cloudevents' } }
}

function cloudEventSchema<S extends StandardSchemaV1>(data: S): CloudEventSchema<S> {
  const { jsonSchema } = data['~standard'] as DeclaredProps
  const standard: DeclaredProps = {
    version: 1,
    vendor: 'tidemark',
    validate: (event) => {
      if (typeof event !== 'object' || event === null) return NO_EVENT
      const result = data['~standard'].validate('data' in event ? event.data : undefined)
      return result instanceof Promise
        ? result.then((late) => withData(event, late))
        : withData(event, result)
    },
    ...(jsonSchema && { jsonSchema: { input: (o) => ({ data: jsonSchema.input(o) }) } }),
  }
  // The schema of the data is a property, so that a fingerprint sees its functions.
  return { '~standard': standard, data } as unknown as CloudEventSchema<S>
}

const NO_EVENT = { issues: [{ message: 'it is no CloudEvent' }] }

function withData(
  event: object,
  result: StandardSchemaV1.Result<unknown>,
): StandardSchemaV1.Result<unknown> {
  if (result.issues === undefined) return { value: { ...event, data: result.value } }
  const issues = result.issues.map(({ message, path = [] }) => ({
    message,
    path: ['data', ...path],
  }))
  return { issues }
}
