import type { AccessToken } from './access-token.ts'
import { type ClientCredentials, faultOfTokenUrl } from './client-credentials.ts'
import { findSigner, SIGNER } from './msk-iam.ts'

// The ways to authenticate with brokers. What is wrong with them is found before anything is sent.

/** The SASL mechanisms. */
export const MECHANISMS = [
  'plain',
  'scram-sha-256',
  'scram-sha-512',
  'oauthbearer',
  'aws-msk-iam',
] as const satisfies readonly KafkaSasl['mechanism'][]

/** How to authenticate with the brokers. */
export type KafkaSasl = PasswordLogin | BearerOptions | MskIamOptions

/** A user with a password. */
export interface PasswordLogin {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string
  readonly password: string
}

/** An access token of an identity provider. */
export interface BearerOptions {
  readonly mechanism: 'oauthbearer'
  /**
   * Where tokens come from: an identity provider's token endpoint; a file, which is read at every
   * authentication; or a function, which is called when the token before has lived for 80 % of its
   * time.
   */
  readonly token: ClientCredentials | { readonly file: string } | (() => Promise<AccessToken>)
  /**
   * SASL extensions by name, which some brokers require, such as `logicalCluster` and
   * `identityPoolId` on Confluent Cloud.
   * @default none
   */
  readonly extensions?: Readonly<Record<string, string>>
}

/** Amazon MSK's IAM access control, with the credentials that the AWS SDK finds. */
interface MskIamOptions {
  readonly mechanism: 'aws-msk-iam'
  /** The region of the cluster, such as `eu-west-1`. */
  readonly region: string
}

const TOKENS = 'give { url, clientId, clientSecret }, { file }, or a function'

/** Why a login cannot be used, and what helps. */
export interface LoginFault {
  readonly message: string
  readonly hint?: string
}

/** Every fault of a login. */
export function saslFaults(sasl: KafkaSasl, isEncrypted: boolean): LoginFault[] {
  if (!MECHANISMS.includes(sasl.mechanism)) {
    return [{ message: `"${sasl.mechanism}" is not ${MECHANISMS.join(' or ')}` }]
  }
  switch (sasl.mechanism) {
    case 'plain':
      return isEncrypted ? [] : [inPlainText('PLAIN', 'password', 'turn TLS on, or use SCRAM')]
    case 'oauthbearer':
      return [
        ...(isEncrypted ? [] : [inPlainText('OAUTHBEARER', 'access token', 'turn TLS on')]),
        ...tokenFaults(sasl.token),
        ...extensionFaults(sasl.extensions ?? {}),
      ]
    case 'aws-msk-iam':
      return [
        ...(isEncrypted ? [] : [inPlainText('for AWS', 'signature', 'turn TLS on')]),
        ...signerFaults(),
      ]
    case 'scram-sha-256':
    case 'scram-sha-512':
      return []
  }
}

function inPlainText(what: string, secret: string, hint: string): LoginFault {
  return { message: `SASL ${what} without TLS would send the ${secret} in plain text`, hint }
}

function tokenFaults(token: BearerOptions['token']): LoginFault[] {
  if (typeof token === 'function') return []
  const { file, url } = (token ?? {}) as { readonly file?: string; readonly url?: string }
  if (file !== undefined) return []
  if (url === undefined) return [{ message: 'SASL OAUTHBEARER needs a token', hint: TOKENS }]
  const fault = faultOfTokenUrl(url)
  return fault === null ? [] : [{ message: `the URL of the token endpoint ${fault}` }]
}

function extensionFaults(extensions: Readonly<Record<string, string>>): LoginFault[] {
  return Object.entries(extensions)
    .filter(([name, value]) => !isExtension(name, value))
    .map(([name]) => ({
      message: `SASL extension ${JSON.stringify(name)} is not letters with a value in ASCII`,
    }))
}

/** Can it be sent? `auth` is the token's own name (RFC 7628, section 3.1). */
export function isExtension(name: string, value: string): boolean {
  return /^[A-Za-z]+$/.test(name) && name !== 'auth' && /^[ -~]+$/.test(value)
}

/**
 * The fault of an installation without AWS's signer.
 * @param signer what {@link findSigner} returned
 */
export function signerFaults(signer = findSigner()): LoginFault[] {
  if (signer !== null) return []
  return [{ message: `SASL for AWS needs the package ${SIGNER}`, hint: `npm install ${SIGNER}` }]
}
