import { request as httpRequest } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'

/** What a provider answered. */
export interface Fetched {
  readonly status: number
  readonly body: string
}

/** No answer came. The message is as the real server words it, where that is known. */
export class FetchFailed extends Error {
  readonly timedOut: boolean

  constructor(message: string, timedOut: boolean) {
    super(message)
    this.name = 'FetchFailed'
    this.timedOut = timedOut
  }
}

const deadlineMs = 20_000
const mostBytes = 4 * 1024 * 1024

/**
 * Asks a token issuer for a document. No redirect is followed. Over https the given CA is the only
 * one trusted; without one the usual roots are. Throws {@link FetchFailed}.
 */
export async function fetchText(address: string, ca: string | undefined): Promise<Fetched> {
  const url = parse(address)
  const options: RequestOptions = {
    headers: { accept: '*/*', 'user-agent': 'conjur-agent devserver' },
    timeout: deadlineMs,
    agent: false,
    ...(ca === undefined ? {} : { ca: certificates(ca) }),
  }
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    const request = send(url, options, (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > mostBytes) request.destroy(new Error('the answer is too long'))
        chunks.push(chunk)
      })
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') })
      })
      response.on('error', reject)
    })
    request.on('timeout', () => request.destroy(new FetchFailed('Net::OpenTimeout', true)))
    request.on('error', (error) => reject(failure(error, url)))
    request.end()
  })
}

/** A PEM text as its single certificates: a chain in one variable is one text. */
function certificates(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [pem]
}

function parse(address: string): URL {
  try {
    const url = new URL(address)
    if (url.protocol === 'http:' || url.protocol === 'https:') return url
  } catch {
    // Told below, together with schemes that are no HTTP.
  }
  throw new FetchFailed(`bad URI(is not URI?): ${JSON.stringify(address)}`, false)
}

function failure(error: Error, url: URL): FetchFailed {
  if (error instanceof FetchFailed) return error
  const code = 'code' in error ? error.code : undefined
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
  const opening = `Failed to open TCP connection to ${host}:${port}`
  if (code === 'ECONNREFUSED') {
    return new FetchFailed(
      `${opening} (Connection refused - connect(2) for "${host}" port ${port})`,
      false,
    )
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new FetchFailed(`${opening} (getaddrinfo: Name or service not known)`, false)
  }
  return new FetchFailed(error.message, code === 'ETIMEDOUT')
}
