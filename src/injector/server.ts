import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { KeyPair } from './certificate.ts'
import { readReview, type AdmissionRequest, type AdmissionReview } from './pod.ts'
import { createRenewableServer, type HttpsServer } from './renewable.ts'
import type { Malformed, Verdict } from './review.ts'

/** A body of this many bytes is refused. */
const TOO_LARGE = 10 * 1024 * 1024

/** A refused body is read on to here, so that its sender gets to see the answer. */
const PATIENCE = 32 * 1024 * 1024

/** One answer, for the log and the metrics; never the patch. */
export interface Answered {
  readonly request: AdmissionRequest | undefined
  readonly answer: Verdict | Malformed
  readonly seconds: number
}

export interface WebhookOptions {
  readonly review: (request: AdmissionRequest) => Promise<Verdict | Malformed>
  readonly answered: (answered: Answered) => void
  readonly failed: (error: unknown) => void
  /** Whether the server of `node:https` takes no new certificate. */
  readonly keepsCertificate?: boolean
}

/** Serves `POST /mutate`: HTTPS in, AdmissionReview out. It listens once the caller says so. */
export function createWebhook(pair: KeyPair, options: WebhookOptions): HttpsServer {
  const create = options.keepsCertificate === true ? createRenewableServer : createServer
  const server = create(
    {
      ...pair,
      minVersion: 'TLSv1.2',
      // Longer than the API server keeps idle connections, so that it is the one to close them.
      keepAliveTimeout: 120_000,
      requestTimeout: 30_000,
    },
    (request, response) => {
      answer(request, response, options).catch((error: unknown) => {
        options.failed(error)
        if (response.headersSent) response.destroy()
        else reply(response, 500, 'INTERNAL: this is a defect of conjur-agent')
      })
    },
  )
  server.on('tlsClientError', (_error, socket) => {
    socket.destroy()
  })
  return server
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: WebhookOptions,
): Promise<void> {
  const refusal = refuse(request)
  if (refusal !== undefined) {
    request.resume()
    if (refusal.status === 405) response.setHeader('Allow', 'POST')
    reply(response, refusal.status, refusal.message)
    return
  }
  const body = await readBody(request)
  if (body === 'aborted') return
  const startedAt = performance.now()
  const done = (answer: Verdict | Malformed, seen?: AdmissionRequest): void => {
    const seconds = (performance.now() - startedAt) / 1000
    options.answered({ request: seen, answer, seconds })
  }
  if (body === 'too-large') {
    const message = 'the body has 10 MiB or more'
    response.setHeader('Connection', 'close')
    reply(response, 413, `ADMISSION_MALFORMED: ${message}`)
    done({ outcome: 'malformed', message })
    return
  }
  const review = parseReview(body)
  if (typeof review === 'string') {
    reply(response, 400, `ADMISSION_MALFORMED: ${review}`)
    done({ outcome: 'malformed', message: review })
    return
  }
  const verdict = await options.review(review.request)
  if (verdict.outcome === 'malformed') {
    reply(response, 400, `ADMISSION_MALFORMED: ${verdict.message}`)
  } else {
    const text = JSON.stringify(responseTo(review, verdict))
    response.writeHead(200, {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(text),
    })
    response.end(text)
  }
  done(verdict, review.request)
}

/** What can be said before the body is read. */
function refuse(request: IncomingMessage): { status: number; message: string } | undefined {
  const [path] = (request.url ?? '').split('?', 1)
  if (path !== '/mutate') return { status: 404, message: 'reviews are answered at /mutate' }
  if (request.method !== 'POST') return { status: 405, message: 'reviews come by POST' }
  const [type = ''] = (request.headers['content-type'] ?? '').split(';', 1)
  if (type.trim().toLowerCase() !== 'application/json') {
    return { status: 415, message: 'reviews come as application/json' }
  }
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (encoding.toLowerCase() !== 'identity') {
    return { status: 415, message: 'reviews come without content encoding' }
  }
  return undefined
}

function readBody(request: IncomingMessage): Promise<Buffer | 'too-large' | 'aborted'> {
  return new Promise((resolve) => {
    let chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size < TOO_LARGE) chunks.push(chunk)
      else chunks = []
      if (size >= PATIENCE) resolve('too-large')
    })
    request.on('end', () => {
      resolve(size < TOO_LARGE ? Buffer.concat(chunks) : 'too-large')
    })
    request.on('close', () => {
      resolve('aborted')
    })
  })
}

function parseReview(body: Buffer): AdmissionReview | string {
  if (body.length === 0) return 'the body is empty'
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    // The parser's own message quotes the body, which may hold anything.
    return 'the body is no JSON'
  }
  return readReview(value)
}

function responseTo({ apiVersion, request }: AdmissionReview, verdict: Verdict): unknown {
  const { patch, warnings } = verdict
  return {
    apiVersion,
    kind: 'AdmissionReview',
    response: {
      uid: request.uid,
      allowed: verdict.outcome !== 'refused',
      ...(verdict.outcome === 'refused'
        ? { status: { code: 403, reason: 'Forbidden', message: refusalOf(verdict) } }
        : {}),
      ...(patch.length === 0
        ? {}
        : {
            patchType: 'JSONPatch',
            patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
          }),
      ...(warnings.length === 0 ? {} : { warnings }),
    },
  }
}

/** Every reason of a refusal in one line, which is what kubectl and a ReplicaSet's events show. */
export function refusalOf({ problems }: Pick<Verdict, 'problems'>): string {
  const count = problems.length === 1 ? '' : ` (${problems.length} problems)`
  return `ADMISSION_REFUSED: the pod cannot be injected as asked${count}: ${problems.join('; ')}`
}

function reply(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' })
  response.end(`${message}\n`)
}
