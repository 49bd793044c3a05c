import { createPrivateKey, X509Certificate } from 'node:crypto'
import { configFault, type TidemarkError } from './errors.ts'

// Faults of TLS in plain words: those of OpenSSL help nobody.

/** CA certificates, a client's certificate and its private key. */
export const TLS_FILES = ['ca', 'cert', 'key'] as const
type TlsFile = (typeof TLS_FILES)[number]

/**
 * The faults of files, PEM, that Node would not tell. `null`, or left out: there is none.
 * @param where the setting of a file
 * @param off how to turn TLS on @default it is on
 */
export function tlsFileFaults(
  files: Partial<Readonly<Record<TlsFile, string | null | undefined>>>,
  where: (file: TlsFile) => string,
  off: string | null = null,
): TidemarkError[] {
  const set = TLS_FILES.filter((file) => (files[file] ?? null) !== null)
  const unused = 'a certificate or key is set but TLS is off'
  if (off !== null) return set.map((file) => configFault(unused, where(file), off))
  const both = 'set both a client certificate and its private key, or neither'
  const unfit = 'is not the key of the client certificate (both in PEM, without a passphrase)'
  const { ca, cert, key } = files
  const missing = (['cert', 'key'] as const).filter((file) => !set.includes(file))
  const isCertificate = ca == null || isSo(() => new X509Certificate(ca).raw.length > 0)
  const isPair =
    cert == null ||
    key == null ||
    isSo(() => new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
  return [
    ...(isCertificate ? [] : [configFault('has no certificate (PEM)', where('ca'))]),
    ...(missing.length === 1 ? missing.map((file) => configFault(both, where(file))) : []),
    ...(isPair ? [] : [configFault(unfit, where('key'))]),
  ]
}

/** Whether it is so; an error is a no. */
function isSo(question: () => boolean): boolean {
  try {
    return question()
  } catch {
    return false
  }
}

/** By code of Node or of an alert; `SETTING` stands for the settings of the connection. */
const FAULTS: readonly (readonly [codes: RegExp, reason: string, hint: string])[] = [
  [/^CERT_HAS_EXPIRED/, 'its certificate has expired', 'renew it, or that of its authority'],
  [/^CERT_NOT_YET_VALID/, 'its certificate is not valid yet', "check this machine's clock"],
  [/ALTNAME/, 'its certificate is for another name', 'use a name that is in it'],
  [/^(?!ERR_).*(CERT|UNABLE)/, 'its certificate is not trusted', 'give its CA with SETTING-ca'],
  [
    /CERTIFICATE_REQUIRED|HANDSHAKE/,
    'it wants a client certificate',
    'give one: SETTING-cert, SETTING-key',
  ],
  [/ALERT.*C(ERT|A$)/, 'it refuses the client certificate', 'give another with SETTING-cert'],
  [
    /^ERR_OSSL/,
    'the client certificate and its key do not fit',
    'both are PEM, without passphrase',
  ],
  [/^ERR_(TLS|SSL)|^EPROTO$/, 'the TLS handshake failed', 'its port must speak TLS 1.2 or newer'],
]

/** Why TLS was refused; `null`: the fault is another. @param setting such as `--tls` */
export function tlsFault(thrown: unknown, setting: string) {
  const { code = '', message = '' } = thrown as Partial<NodeJS.ErrnoException>
  const [, kind, hint] = FAULTS.find(([codes]) => codes.test(code)) ?? []
  if (kind === undefined || hint === undefined) return null
  // Node says which names a certificate has.
  const [, names] = /altnames: (.*?)[\s:]*$/.exec(message) ?? []
  const fault = names === undefined ? kind : `${kind} (${names})`
  return { what: fault, hint: hint.replaceAll('SETTING', setting) }
}
