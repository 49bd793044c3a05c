// Media types (RFC 2045) as far as they decide how the data of a CloudEvent is read.

/** A media type in lower case, without its parameters. */
export function mediaTypeOf(contentType: string): string {
  return contentType.replace(/;.*$/s, '').trim().toLowerCase()
}

/** Is it JSON (JSON event format 1.0.2, section 3.1.1: a subtype of `json` or `…+json`)? */
export function isJson(contentType: string): boolean {
  return /^[^/]+\/(?:.+\+)?json$/.test(mediaTypeOf(contentType))
}

/** Is it text in a form that people read: `text/…`, or XML? */
export function isText(contentType: string): boolean {
  return /^text\/|^[^/]+\/(?:.+\+)?xml$/.test(mediaTypeOf(contentType))
}
