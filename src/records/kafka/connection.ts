import { within } from './waiting.ts'

// Beginning and end of a connection of the library: an admin's or a producer's.

interface Client {
  connect(): Promise<void>
  disconnect(): Promise<void>
}

/** The client, connected. @throws TidemarkError `BROKER_UNAVAILABLE` after 5 s; before that what the library throws */
export async function connected<C extends Client>(client: C): Promise<C> {
  try {
    await within(5_000, 'connecting', client.connect())
  } catch (error) {
    client.disconnect().catch(() => {})
    throw error
  }
  return client
}

/** Ends a connection, or an attempt at one, whatever state it is in. Never throws. */
export async function disconnect(connecting: Promise<Client>): Promise<void> {
  try {
    const client = await connecting
    await within(5_000, 'disconnecting', client.disconnect())
  } catch {
    // Everything asked over it has been answered or given up: it is of no use any more.
  }
}
