import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { TokenProvider } from './tokens.ts'

// Amazon MSK's IAM access control takes a signed URL as access token. AWS's own package signs it.
// That package comes with the AWS SDK, so it is installed only by those who need it.

/** AWS's package. */
export const SIGNER = 'aws-msk-iam-sasl-signer-js'

/** What is used of it. */
interface Signer {
  /** Signs with the credentials that the AWS SDK finds. */
  readonly generateAuthToken: (options: { readonly region: string }) => Promise<{
    readonly token: string
    /** ms since the epoch */
    readonly expiryTime: number
  }>
}

/** Returns the path of the signer, from where Node would find it for this package or the user's. */
export function findSigner(
  folders: readonly string[] = [import.meta.dirname, process.cwd()],
): string | null {
  for (const folder of folders) {
    try {
      return createRequire(join(folder, 'index.js')).resolve(SIGNER)
    } catch {
      // It may be in the next one.
    }
  }
  return null
}

/**
 * Provides the tokens for Amazon MSK in a region.
 * @param signer what {@link findSigner} returned
 */
export function tokensOfAws(region: string, signer = findSigner()): TokenProvider {
  return async () => {
    const { generateAuthToken } = createRequire(import.meta.url)(signer ?? SIGNER) as Signer
    const { token, expiryTime } = await generateAuthToken({ region })
    return { value: token, expiresAtMs: expiryTime }
  }
}
