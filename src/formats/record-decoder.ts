import { CalledDecoder } from './called-decoder.ts'
import { CloudEventDecoder } from './cloud-events/cloud-event-decoder.ts'
import type { RecordDecoder } from './event-maker.ts'
import type { FormatSource } from './format.ts'
import { EventDecoder } from './json/event-decoder.ts'
import { TextValueDecoder } from './text-decoder.ts'

/**
 * The decoder of a source's records. Values whose schemas are in a registry are read as JSON, in
 * which they are written by hand.
 */
export function recordDecoder(source: Pick<FormatSource, 'schema' | 'format'>): RecordDecoder {
  const { format } = source
  switch (format.is) {
    case 'json':
    case 'registry':
      return new EventDecoder(source)
    case 'text':
      return new TextValueDecoder(source)
    case 'cloudevents':
      return new CloudEventDecoder(source)
    case 'decode':
      return new CalledDecoder(source, format)
  }
}
