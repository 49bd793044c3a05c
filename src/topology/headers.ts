// Names of record headers: which are passed on, and which only Tidemark itself writes.

/** The headers of a trace: W3C Trace Context, https://www.w3.org/TR/trace-context/ */
export const TRACE_HEADERS = ['traceparent', 'tracestate'] as const

const RESERVED = ['tidemark-', 'tidemark.', '__streams.errors.']

/** Is it a name that only Tidemark writes? Neither an author nor an input may choose one. */
export function isReservedHeader(name: string): boolean {
  return RESERVED.some((prefix) => name.startsWith(prefix))
}
