import { generateKeyPairSync } from 'node:crypto'
import { type AddressInfo, createServer } from 'node:net'
import { connect, rootCertificates } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { tlsFault, tlsFileFaults } from '../../src/kernel/tls.ts'

const [cert = ''] = rootCertificates

describe('of files', () => {
  const faultsOf = (files: Parameters<typeof tlsFileFaults>[0], off?: string) =>
    tlsFileFaults(files, (file) => `tls.${file}`, off).map(({ where, message }) => [where, message])
  const both = 'set both a client certificate and its private key, or neither'

  test.each(['', 'PEM', cert.slice(0, 200), '-----BEGIN PRIVATE KEY-----'])(
    'a CA file without a certificate is refused: %j',
    (ca) => {
      expect(faultsOf({ ca })).toEqual([['tls.ca', 'has no certificate (PEM)']])
    },
  )

  test('a client certificate without its key is refused, and the other way round', () => {
    expect(faultsOf({ ca: cert, cert })).toEqual([['tls.key', both]])
    expect(faultsOf({ key: cert })).toEqual([['tls.cert', both]])
  })

  test('a key that is not that of the certificate, or that cannot be read, is refused', () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const pem = { type: 'pkcs8', format: 'pem' } as const
    const locked = { ...pem, cipher: 'aes-256-cbc', passphrase: 'x' }
    for (const key of [other.export(pem), other.export(locked), 'KEY', '']) {
      const what = 'is not the key of the client certificate (both in PEM, without a passphrase)'
      expect(faultsOf({ cert, key: String(key) })).toEqual([['tls.key', what]])
    }
  })

  test('files are refused where TLS is off', () => {
    const what = 'a certificate or key is set but TLS is off'
    expect(faultsOf({ ca: cert, cert, key: null }, 'add --tls')).toEqual([
      ['tls.ca', what],
      ['tls.cert', what],
    ])
  })

  test('none are needed, and several certificates may be in one', () => {
    expect(faultsOf({})).toEqual([])
    expect(faultsOf({ ca: `# two\n${cert}\n${cert}`, cert: null })).toEqual([])
  })
})

describe('of a connection', () => {
  const said = (code: string, message = '80AC93CA:error:0A000410:SSL routines:ssl3_read_bytes') =>
    tlsFault(Object.assign(new Error(message), { code }), '--redis')

  test.each([
    ['CERT_HAS_EXPIRED', 'its certificate has expired', 'renew it, or that of its authority'],
    ['CERT_NOT_YET_VALID', 'its certificate is not valid yet', "check this machine's clock"],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'its certificate is not trusted', 'give its CA with --redis-ca'],
    [
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'its certificate is not trusted',
      'give its CA with --redis-ca',
    ],
    [
      'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      'it wants a client certificate',
      'give one: --redis-cert, --redis-key',
    ],
    [
      'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE',
      'it wants a client certificate',
      'give one: --redis-cert, --redis-key',
    ],
    [
      'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
      'it refuses the client certificate',
      'give another with --redis-cert',
    ],
    [
      'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE',
      'it refuses the client certificate',
      'give another with --redis-cert',
    ],
    ['EPROTO', 'the TLS handshake failed', 'its port must speak TLS 1.2 or newer'],
  ])('%s is told in plain words, with its own hint', (code, what, hint) => {
    expect(said(code)).toEqual({ what, hint })
  })

  test('names that a certificate has are told', () => {
    const message =
      "Hostname/IP does not match certificate's altnames: IP: 127.0.0.1 is not in the cert's list: "
    expect(said('ERR_TLS_CERT_ALTNAME_INVALID', message)?.what).toBe(
      "its certificate is for another name (IP: 127.0.0.1 is not in the cert's list)",
    )
  })

  test('others are not of TLS', () => {
    for (const code of ['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'constructor', '']) {
      expect(said(code)).toBe(null)
    }
    expect(tlsFault('text', '--redis')).toBe(null)
  })

  test('a port without TLS is told without the words of OpenSSL', async () => {
    const server = createServer((socket) =>
      socket.on('error', () => {}).end('HTTP/1.1 400\r\n\r\n'),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    const error = await new Promise((resolve) => connect(port, '127.0.0.1').once('error', resolve))
    expect(tlsFault(error, '--redis')?.what).toBe('the TLS handshake failed')
  })
})
