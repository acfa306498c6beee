import { X509Certificate } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { SendFailure } from '../core/http.ts'
import { bareHost } from '../core/local-host.ts'
import { classify } from './classify.ts'

/** One certificate as a server shows it; nothing of it is trusted here. */
export interface ShownCertificate {
  readonly subject: string
  readonly issuer: string
  /** Epoch milliseconds. */
  readonly validFrom: number
  readonly validTo: number
  /** The names it is valid for, such as `DNS:conjur.example.com`; empty for most authorities. */
  readonly names: readonly string[]
  /** Whether it is its own issuer: the end of every chain. */
  readonly isRoot: boolean
}

/** What a handshake showed. */
export interface TlsFacts {
  /** Such as `TLSv1.3`. */
  readonly protocol: string
  /** As shown by the server, the leaf first; with `failure` undefined it goes on to the trusted root. */
  readonly chain: readonly ShownCertificate[]
  /** Why no request would be sent there; undefined where the certificate is trusted for this name. */
  readonly failure: SendFailure | undefined
}

/** Looks at the way to a server without asking anything of it: names and handshakes only. */
export interface Probe {
  /** The addresses of a host name, an address literal as it is. Rejects with a SendFailure. */
  addresses(hostname: string, signal: AbortSignal): Promise<readonly string[]>
  /** Shakes hands and hangs up. Rejects with a SendFailure where no handshake came about. */
  tls(url: URL, options: TlsProbeOptions): Promise<TlsFacts>
}

export interface TlsProbeOptions {
  /** PEM; undefined for the system's roots. */
  readonly ca: string | undefined
  readonly signal: AbortSignal
}

/** The probe of the machine it runs on. */
export const probe: Probe = {
  async addresses(hostname, signal) {
    const bare = bareHost(hostname)
    if (isIP(bare) !== 0) return [bare]
    try {
      const found = await raced(lookup(bare, { all: true }), signal)
      return [...new Set(found.map(({ address }) => address))]
    } catch (error) {
      if (signal.aborted) throw new SendFailure('timeout', hostname, error)
      throw classify(error, { host: hostname, answered: false })
    }
  },
  tls: (url, { ca, signal }) =>
    new Promise((resolve, reject) => {
      const host = bareHost(url.hostname)
      const socket = connect({
        host,
        port: url.port === '' ? 443 : Number(url.port),
        ...(isIP(host) === 0 ? { servername: host } : {}),
        ...(ca === undefined ? {} : { ca, allowPartialTrustChain: true }),
        ALPNProtocols: ['http/1.1'],
        // The verdict is read below. Without this the socket is gone before the chain can be
        // shown, and the chain is what the reader needs; no byte of ours is ever sent on it.
        rejectUnauthorized: false,
      })
      const onAbort = (): void => {
        socket.destroy()
        reject(new SendFailure('timeout', url.host))
      }
      if (signal.aborted) onAbort()
      else signal.addEventListener('abort', onAbort, { once: true })
      socket.once('secureConnect', () => {
        signal.removeEventListener('abort', onAbort)
        resolve(factsOf(socket, url.host))
        socket.destroy()
      })
      socket.once('error', (error) => {
        signal.removeEventListener('abort', onAbort)
        reject(classify(error, { host: url.host, answered: false }))
      })
    }),
}

/** The certificates of a PEM text, such as the CA that a configuration trusts. What cannot be read is left out. */
export function certificatesIn(pem: string): readonly ShownCertificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return blocks.flatMap((block) => {
    try {
      return [shown(new X509Certificate(block))]
    } catch {
      return []
    }
  })
}

const MOST_CERTIFICATES = 10

function factsOf(socket: TLSSocket, host: string): TlsFacts {
  const chain: ShownCertificate[] = []
  let next = socket.getPeerX509Certificate()
  while (next !== undefined && chain.length < MOST_CERTIFICATES) {
    chain.push(shown(next))
    next = chain.at(-1)?.isRoot === true ? undefined : next.issuerCertificate
  }
  // Typed as an Error; it is the code of one, or an Error where the name does not fit.
  const verdict: unknown = socket.authorizationError
  return {
    protocol: socket.getProtocol() ?? 'unknown',
    chain,
    failure: socket.authorized
      ? undefined
      : asFailure(typeof verdict === 'string' ? { code: verdict } : verdict, host),
  }
}

function asFailure(verdict: unknown, host: string): SendFailure {
  const failure = classify(verdict, { host, answered: false })
  return failure instanceof SendFailure ? failure : new SendFailure('tls-failed', host, verdict)
}

function shown(certificate: X509Certificate): ShownCertificate {
  return {
    subject: nameOf(certificate.subject),
    issuer: nameOf(certificate.issuer),
    validFrom: Date.parse(certificate.validFrom),
    validTo: Date.parse(certificate.validTo),
    names: certificate.subjectAltName?.split(', ') ?? [],
    isRoot: certificate.subject === certificate.issuer,
  }
}

/** The common name of a distinguished name, else its first line. */
function nameOf(distinguished: string | undefined): string {
  const lines = (distinguished ?? '').split('\n')
  const common = lines.find((line) => line.startsWith('CN='))
  return (common?.slice(3) ?? lines[0]) || 'no name'
}

function raced<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
