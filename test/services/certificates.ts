import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A certificate that has signed itself, in files. */
export interface Certificate {
  readonly certFile: string
  readonly keyFile: string
  readonly cert: string
  readonly key: string
}

const EC = ['-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']

/** Makes certificates, in a folder of their own. */
export class Certificates {
  readonly #folder = mkdtempSync(join(tmpdir(), 'tidemark-certificates-'))
  #made = 0

  /** @param names such as `IP:127.0.0.1` @param days how long it is valid; negative: it has expired */
  make(names: string, days = 2): Certificate {
    // Of two authorities of one name, the wrong one may be tried.
    const number = String(this.#made++)
    const at = join(this.#folder, number)
    const [certFile, keyFile, request] = [`${at}.crt`, `${at}.key`, `${at}.csr`]
    const subject = ['-subj', `/CN=${number}`, '-addext', `subjectAltName=${names}`]
    openssl('req', ...EC, ...subject, '-keyout', keyFile, '-out', request)
    const own = ['-signkey', keyFile, '-copy_extensions', 'copy', '-days', String(days)]
    openssl('x509', '-req', '-in', request, ...own, '-out', certFile)
    const [cert, key] = [readFileSync(certFile, 'utf8'), readFileSync(keyFile, 'utf8')]
    return { certFile, keyFile, cert, key }
  }

  /** The file of several. */
  bundle(...certificates: Certificate[]): { readonly file: string; readonly text: string } {
    const file = join(this.#folder, 'bundle')
    const text = certificates.map(({ cert }) => cert).join('')
    writeFileSync(file, text)
    return { file, text }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true })
  }
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore' })
}
